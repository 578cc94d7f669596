"""Rule tests: those of the shipped rules and the examples pass, and a broken one fails."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ET

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("RETRAIN_BUILD", os.path.join(TREE, "build"))
EXAMPLES = os.path.join(TREE, "tests/rules/examples")


def ctl(*words, cwd=TREE):
    return subprocess.run([os.path.join(BUILD, "retrainctl"), *words], cwd=cwd, text=True,
                          capture_output=True, check=False)


class RuleTests(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def all_pass(self, where):
        done = ctl("test", where)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(" passed, 0 failed", done.stdout)

    def test_the_shipped_rules_pass_theirs(self):
        self.all_pass("rules")

    def test_every_shipped_rule_file_has_one(self):
        for name in os.listdir(os.path.join(TREE, "rules")):
            if name.endswith(".yaml") and not name.endswith(".test.yaml"):
                test = name.replace(".yaml", ".test.yaml")
                self.assertTrue(os.path.exists(os.path.join(TREE, "rules", test)), test)

    def test_the_examples_pass(self):
        self.all_pass("tests/rules/examples")
        self.assertGreaterEqual(len([n for n in os.listdir(EXAMPLES)
                                     if n.endswith(".test.yaml")]), 10)

    def test_each_example_fails_on_a_rule_that_never_fires(self):
        """What a test says must depend on its rules."""
        shutil.copytree(EXAMPLES, self.dir, dirs_exist_ok=True)
        for name in sorted(os.listdir(self.dir)):
            path = os.path.join(self.dir, name)
            if not name.endswith(".yaml") or name.endswith(".test.yaml"):
                continue
            with open(path, encoding="utf-8") as f:
                text = f.read()
            self.write(name, re.sub(r"  - (\{?)name: ", lambda m: "  - " + (
                "{mode: disabled, name: " if m[1] else "mode: disabled\n    name: "),
                text, count=1))
            done = ctl("test", path.replace(".yaml", ".test.yaml"))
            self.assertEqual(done.returncode, 1, name + done.stdout + done.stderr)

    def test_a_failure_shows_both_sides_with_its_place(self):
        self.write("r.yaml", "rules: [{name: r, on: x, run: p}]\n"
                   "pipelines: [{name: p, steps: [{name: s, command: [\"true\"]}]}]\n")
        path = self.write("r.test.yaml", "name: n\nrules: r.yaml\nsteps:\n"
                          "  - event: {type: x}\n"
                          "  - expect:\n"
                          "      decisions: [{rule: r, outcome: suppressed, at: \"+5m\"}]\n")
        junit = os.path.join(self.dir, "junit.xml")
        done = ctl("test", path, "--junit", junit)
        self.assertEqual(done.returncode, 1)
        self.assertIn("r.test.yaml:6:18: decisions differ: expected 1 (-), got 1 (+)",
                      done.stdout)
        self.assertIn("- +5m r suppressed\n", done.stdout)
        self.assertIn("+ +0 r fired run=p-1", done.stdout)
        suite = ET.parse(junit).getroot()
        self.assertEqual((suite.get("tests"), suite.get("failures")), ("1", "1"))
        self.assertIn("decisions differ", suite.find(".//failure").text)
        found = json.loads(ctl("test", path, "-o", "json").stdout)
        self.assertEqual([(t["name"], t["ok"]) for t in found], [("n", False)])

    def test_a_mistake_in_the_file_has_its_place(self):
        path = self.write("bad.test.yaml", "name: n\nrules: r.yaml\nsteps:\n"
                          "  - evnt: {type: x}\n"
                          "  - feed: {type: x, every: 1m, data: {v: {normal: 3}}}\n"
                          "  - expect: {decisions: [{rule: r, outcome: fird}]}\n")
        done = ctl("test", path)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"bad\.test\.yaml:4:5: error: unknown step 'evnt' "
                         r"\(did you mean 'event'\?\)")
        self.assertRegex(done.stderr, r"bad\.test\.yaml:5:\d+: error: generator 'normal': "
                         r"expected \[mean, sd\]")
        self.assertRegex(done.stderr, r"bad\.test\.yaml:6:\d+: error:.*fird")

    def test_exit_status_2_where_a_file_is_missing(self):
        self.assertEqual(ctl("test", os.path.join(self.dir, "none.yaml")).returncode, 2)
        path = self.write("t.test.yaml", "name: n\nrules: none.yaml\nsteps: []\n")
        self.assertEqual(ctl("test", path).returncode, 2)
        self.assertEqual(ctl("test").returncode, 2)
        self.assertEqual(ctl("test", path, "--run", "(").returncode, 2)

    def test_a_file_takes_the_defaults_of_its_directory(self):
        self.write("r.yaml", "rules: [{name: r, on: x, run: p}]\n"
                   "pipelines: [{name: p, steps: [{name: s, command: [\"true\"]}]}]\n")
        path = self.write("r.test.yaml", "name: n\nrules: [r.yaml, r.yaml]\nsteps:\n"
                          "  - event: {type: x}\n  - event: {type: x}\n"
                          "  - expect: {decisions: [{outcome: fired}, {by: cooldown}]}\n")
        self.assertEqual(ctl("test", path).returncode, 1)
        self.write("defaults.yaml", "defaults: {rule: {cooldown: 1h}}\n")
        done = ctl("test", path)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_name_that_no_rule_has_is_said(self):
        self.write("r.yaml", "rules: [{name: drift, on: x, run: p}]\n"
                   "pipelines: [{name: p, steps: [{name: s, command: [\"true\"]}]}]\n")
        path = self.write("r.test.yaml", "name: n\nrules: r.yaml\nsteps:\n"
                          "  - expect: {rule: drft, decisions: []}\n")
        done = ctl("test", path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no rule 'drft' (did you mean 'drift'?)", done.stdout)


if __name__ == "__main__":
    unittest.main()
