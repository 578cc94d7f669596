"""retrainctl new: what it writes passes check and test, and nothing is overwritten."""
import os
import subprocess
import tempfile
import unittest

KINDS = ("new-data", "metric", "nightly", "alert", "canary", "per-key")


class New(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory(prefix="retraind-new-")
        self.addCleanup(self.tmp.cleanup)

    def ctl(self, *args, expect=0):
        program = os.path.join(os.path.abspath(os.environ.get("RETRAIN_BUILD", "build")),
                               "retrainctl")
        done = subprocess.run([program, *args], cwd=self.tmp.name, text=True,
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done

    def test_each_kind_passes(self):
        for kind in KINDS:
            with self.subTest(kind=kind):
                name = f"my-{kind}"
                self.ctl("new", "--from", kind, name)
                out = self.ctl("check", "--strict", f"{name}.yaml").stdout
                self.assertIn("1 rules, 1 pipelines, 0 warnings", out)
                self.assertIn("1 passed, 0 failed", self.ctl("test", f"{name}.test.yaml")
                              .stdout)

    def test_nothing_is_overwritten(self):
        path = os.path.join(self.tmp.name, "x.test.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write("mine\n")
        self.assertIn("is there already", self.ctl("new", "x", expect=1).stderr)
        self.assertEqual(os.listdir(self.tmp.name), ["x.test.yaml"])
        os.unlink(path)
        self.ctl("new", "x")
        with open(os.path.join(self.tmp.name, "x.yaml"), encoding="utf-8") as f:
            before = f.read()
        self.ctl("new", "x", expect=1)
        with open(os.path.join(self.tmp.name, "x.yaml"), encoding="utf-8") as f:
            self.assertEqual(f.read(), before)

    def test_names_and_kinds(self):
        for bad in ("", "../x", "1x", "a b", "x" * 61):
            self.ctl("new", bad, expect=2)
        self.assertIn("per-key", self.ctl("new", "--from", "key", "x", expect=2).stderr)
        self.ctl("new", "x", "--into", "nowhere", expect=2)
        os.mkdir(os.path.join(self.tmp.name, "rules"))
        self.ctl("new", "x", "--into", "rules")
        self.assertEqual(sorted(os.listdir(os.path.join(self.tmp.name, "rules"))),
                         ["x.test.yaml", "x.yaml"])


if __name__ == "__main__":
    unittest.main()
