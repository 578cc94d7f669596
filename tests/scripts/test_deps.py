"""scripts/deps with stand-ins for dpkg, apt-get, id and sudo."""
import os
import shutil
import tempfile
import unittest

from tree import TREE, Copy

# Which packages are installed is the file `installed`; calls go to the file `calls`.
STUBS = {
    "dpkg-query": 'for p; do :; done\ngrep -qx "$p" "$STUBS/installed" && printf "ii "\n',
    "apt-get": 'echo "apt-get $*" >>"$STUBS/calls"\n',
    "sudo": 'echo "sudo $1" >>"$STUBS/calls"\n"$@"\n',
    "id": 'echo "$FAKE_UID"\n',
}


class DepsTest(unittest.TestCase):
    def setUp(self):
        self.stubs = tempfile.mkdtemp(prefix="retraind-deps-")
        self.addCleanup(shutil.rmtree, self.stubs)
        self.tree = Copy("scripts/deps").__enter__()
        self.addCleanup(self.tree.__exit__)
        # Not the machine's own file, whoever runs this.
        self.policy = os.path.join(self.stubs, "policy-rc.d")
        self.tree.write("scripts/deps", self.tree.read("scripts/deps").replace(
            "/usr/sbin/policy-rc.d", self.policy))
        for name, text in STUBS.items():
            path = os.path.join(self.stubs, name)
            with open(path, "w", encoding="ascii") as f:
                f.write("#!/bin/sh\n" + text)
            os.chmod(path, 0o755)
        self.all = self.tree.run("scripts/deps", "--list")[1].split()
        self.installed(self.all)

    def installed(self, names):
        with open(os.path.join(self.stubs, "installed"), "w", encoding="ascii") as f:
            f.writelines(n + "\n" for n in names)

    def deps(self, *args, uid="0"):
        return self.tree.run("scripts/deps", *args, STUBS=self.stubs, FAKE_UID=uid,
                             PATH=f"{self.stubs}:{os.environ['PATH']}")

    def calls(self):
        path = os.path.join(self.stubs, "calls")
        if not os.path.exists(path):
            return []
        with open(path, encoding="ascii") as f:
            return f.read().splitlines()

    def test_nothing_missing_is_one_line_and_no_call(self):
        self.assertEqual(self.deps("--tests"), (0, "deps: all packages are installed\n"))
        self.assertEqual(self.calls(), [])

    def test_only_what_is_missing_is_installed(self):
        self.installed(set(self.all) - {"libev-dev", "kcat"})
        status, output = self.deps("--tests")
        self.assertEqual(status, 0, output)
        self.assertIn("installing libev-dev kcat", output)
        update, install = self.calls()
        self.assertTrue(update.startswith("apt-get update"))
        self.assertTrue(install.endswith(" libev-dev kcat"), install)

    def test_building_does_not_install_what_tests_need(self):
        self.installed(set(self.all) - {"libcmocka-dev", "maven"})
        self.assertEqual(self.deps(), (0, "deps: all packages are installed\n"))

    def test_sudo_when_not_root(self):
        self.installed(set(self.all) - {"libev-dev"})
        self.assertEqual(self.deps(uid="1000")[0], 0)
        self.assertEqual(self.calls()[0], "sudo scripts/deps")

    def test_services_are_held_back_during_the_installation_only(self):
        self.installed(set(self.all) - {"mosquitto"})
        with open(os.path.join(self.stubs, "apt-get"), "a", encoding="ascii") as f:
            f.write(f'{self.policy} mosquitto start || echo "policy $?" >>"$STUBS/calls"\n')
        self.assertEqual(self.deps()[0], 0)
        self.assertEqual(self.calls()[-1], "policy 101")
        self.assertFalse(os.path.exists(self.policy))

    def test_policy_of_the_machine_is_left_alone(self):
        with open(self.policy, "w", encoding="ascii") as f:
            f.write("# mine\n")
        self.installed(set(self.all) - {"mosquitto"})
        self.assertEqual(self.deps()[0], 0)
        with open(self.policy, encoding="ascii") as f:
            self.assertEqual(f.read(), "# mine\n")

    def test_failing_installation_fails(self):
        self.installed(set(self.all) - {"mosquitto"})
        with open(os.path.join(self.stubs, "apt-get"), "a", encoding="ascii") as f:
            f.write("exit 100\n")
        status, output = self.deps()
        self.assertNotEqual(status, 0)
        self.assertNotIn("done", output)
        self.assertFalse(os.path.exists(self.policy))

    def test_every_library_of_the_makefile_is_installed(self):
        with open(os.path.join(TREE, "Makefile"), encoding="utf-8") as f:
            named = {word.partition(":")[2] for word in f.read().split()
                     if word.endswith("-dev") and ":" in word}
        self.assertLess(3, len(named))
        self.assertEqual(named - set(self.all), set())


if __name__ == "__main__":
    unittest.main()
