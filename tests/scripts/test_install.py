"""make install's script, into a DESTDIR, from stand-ins for the programs."""
import os
import shutil
import stat
import subprocess
import tempfile
import unittest

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = ("retraind", "retrainctl", "retrain-shim")
CONFIG = "etc/retraind/retraind.yaml"
UNIT = "opt/r/lib/systemd/system/retraind.service"


class InstallTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="retraind-install-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.build = os.path.join(self.dir, "build")
        os.mkdir(self.build)
        for name in PROGRAMS:
            with open(os.path.join(self.build, name), "w", encoding="ascii") as f:
                f.write(f"#!/bin/sh\necho {name}\n")
            os.chmod(f.name, 0o755)

    def dest(self, name=""):
        return os.path.join(self.dir, "dest", name)

    def read(self, name):
        with open(self.dest(name), encoding="utf-8") as f:
            return f.read()

    def install(self):
        env = {"PATH": os.environ["PATH"], "B": self.build, "PREFIX": "/opt/r",
               "SYSCONFDIR": "/etc", "DESTDIR": self.dest().rstrip("/")}
        return subprocess.run(["scripts/install"], cwd=TREE, env=env, text=True,
                              capture_output=True, check=False)

    def test_programs_shim_and_header_have_their_places(self):
        done = self.install()
        self.assertEqual(done.returncode, 0, done.stderr)
        for path in ("bin/retraind", "bin/retrainctl", "lib/retraind/retrain-shim"):
            mode = os.stat(self.dest("opt/r/" + path)).st_mode
            self.assertEqual(stat.S_IMODE(mode), 0o755, path)
        self.assertTrue(os.path.isdir(self.dest("opt/r/lib/retraind/plugins")))
        self.assertTrue(os.path.isfile(self.dest("opt/r/include/retrain/plugin.h")))
        self.assertIn("u retraind ", self.read("opt/r/lib/sysusers.d/retraind.conf"))

    def test_rules_stay_empty_and_examples_are_documentation(self):
        self.install()
        self.assertEqual(os.listdir(self.dest("etc/retraind/rules")), [])
        shipped = sorted(os.listdir(os.path.join(TREE, "rules")))
        self.assertEqual(
            sorted(os.listdir(self.dest("opt/r/share/doc/retraind/examples/rules"))), shipped)

    def test_an_existing_config_is_never_replaced(self):
        os.makedirs(self.dest("etc/retraind"))
        with open(self.dest(CONFIG), "w", encoding="ascii") as f:
            f.write("# mine\n")
        for _ in range(2):
            done = self.install()
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("is kept as it is", done.stdout)
        self.assertEqual(self.read(CONFIG), "# mine\n")

    def test_unit_names_the_prefix_and_keeps_the_promises(self):
        self.install()
        unit = self.read(UNIT)
        self.assertNotIn("@", unit)
        lines = unit.splitlines()
        self.assertIn("ExecStart=/opt/r/bin/retraind --config /etc/retraind/retraind.yaml",
                      lines)
        for row in ("Type=notify", "KillMode=process", "Delegate=yes",
                    "RestartPreventExitStatus=2", "CapabilityBoundingSet="):
            self.assertIn(row, lines)
        keys = {line.partition("=")[0] for line in lines}
        self.assertFalse(keys & {"MemoryMax", "PrivateTmp", "PrivateDevices",
                                 "MemoryDenyWriteExecute", "SystemCallFilter"})

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is missing")
    def test_systemd_understands_the_unit(self):
        self.install()
        # The programs' paths are made to exist: only the unit is in question here.
        text = self.read(UNIT).replace("/opt/r/bin", self.dest("opt/r/bin"))
        path = os.path.join(self.dir, "retraind.service")
        with open(path, "w", encoding="ascii") as f:
            f.write(text.replace("User=retraind", "User=root"))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], text=True,
                              capture_output=True, check=False)
        complaints = [x for x in done.stderr.splitlines() if "retraind.service" in x]
        self.assertEqual(complaints, [])

    def test_a_missing_program_is_named(self):
        os.unlink(os.path.join(self.build, "retrain-shim"))
        done = self.install()
        self.assertEqual(done.returncode, 1)
        self.assertIn("retrain-shim is not built", done.stderr)
        self.assertFalse(os.path.exists(self.dest()))


if __name__ == "__main__":
    unittest.main()
