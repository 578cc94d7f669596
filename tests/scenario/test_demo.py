"""`make demo` shows what it says, leaves nothing running, and can be stopped later."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from harness import build_dir, processes_under, wait_until
from harness.daemon import TREE

DEMO = os.path.join(TREE, "scripts", "demo.py")


class Demo(unittest.TestCase):
    def setUp(self):
        # A build directory of its own, so that no other demo is in the way.
        self.build = tempfile.mkdtemp(prefix="retraind-demo-")
        for name in ("retraind", "retrainctl", "retrain-shim", "tests"):
            os.symlink(os.path.join(build_dir(), name), os.path.join(self.build, name))
        self.addCleanup(shutil.rmtree, self.build)

    def start(self, *args, **env):
        clean = {k: v for k, v in os.environ.items()
                 if k not in ("KAFKA", "KAFKA_BOOTSTRAP", "KEEP")}
        return subprocess.Popen([sys.executable, DEMO, "--build", self.build, *args],
                                env={**clean, **env}, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def finish(self, proc, status=0):
        out = proc.communicate(timeout=600)[0]
        self.assertEqual(proc.returncode, status, out)
        return out

    def test_shows_what_it_says_and_leaves_nothing(self):
        out = self.finish(self.start("--rate", "25"))
        self.assertRegex(out.splitlines()[-1], r"^demo: \d+ of \d+ things are as exp")
        self.assertIn("librdkafka's mock cluster", out)
        self.assertEqual(processes_under(self.build), [])

    def test_interrupted_leaves_nothing(self):
        proc = self.start()
        for line in proc.stdout:
            if "first dataset" in line:
                break
        self.assertTrue(processes_under(self.build + "/demo"))
        proc.send_signal(signal.SIGINT)
        self.finish(proc, 130)
        self.assertEqual(processes_under(self.build), [])

    def test_kept_and_stopped(self):
        out = self.finish(self.start("--rate", "50", KEEP="1"))
        try:
            env = {**os.environ, "RETRAIND_DIR": re.search(r"RETRAIND_DIR=(\S+)", out)[1]}
            runs = subprocess.run([f"{self.build}/retrainctl", "get", "runs"], env=env,
                                  text=True, capture_output=True, timeout=60, check=True)
            self.assertIn("spindle-1", runs.stdout)
        finally:
            self.assertIn("processes ended", self.finish(self.start("--stop")))
        wait_until(lambda: not processes_under(self.build), 20, "nothing runs")


if __name__ == "__main__":
    unittest.main()
