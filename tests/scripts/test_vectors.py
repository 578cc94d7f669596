"""build/tests/vectors over every file of tests/vectors, and over files that it has not
seen: streams inline, unknown kinds, wrong expectations."""
import json
import os
import subprocess
import tempfile
import unittest

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VECTORS = os.path.join(TREE, "tests", "vectors")
# Files without an expectation.
ELSEWHERE = {"streams.json"}


class VectorsTest(unittest.TestCase):
    program = os.path.join(os.environ["RETRAIN_BUILD"], "tests", "vectors")

    def run_on(self, *files):
        done = subprocess.run([self.program, *files], text=True, capture_output=True,
                              check=False)
        return done.returncode, done.stdout

    def given(self, content):
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as f:
            json.dump(content, f)
        self.addCleanup(os.unlink, f.name)
        return self.run_on(f.name)

    def test_all_files_of_the_tree(self):
        for name in sorted(os.listdir(VECTORS)):
            if name in ELSEWHERE or not name.endswith(".json"):
                continue
            with self.subTest(name):
                code, out = self.run_on(os.path.join(VECTORS, name))
                self.assertEqual(0, code, out)
                self.assertRegex(out.splitlines()[-1],
                                 r"^[1-9]\d* passed, 0 failed, \d+ skipped$")

    def test_a_stream_inline_and_a_wrong_expectation(self):
        vector = {"detector": "shewhart", "params": {"k": 3, "min_instances": 4},
                  "stream": [0, 1, 0, 1, 0, 9, 0], "drift_at": [5]}
        code, out = self.given({"vectors": [vector]})
        self.assertEqual((0, "1 passed, 0 failed, 0 skipped"),
                         (code, out.splitlines()[-1]))
        code, out = self.given({"vectors": [dict(vector, drift_at=[6])]})
        self.assertEqual(1, code)
        self.assertIn("FAILED", out)
        self.assertIn("shewhart inline drift_at: [5], expected [6]", out)

    def test_what_is_unknown_is_skipped_by_name(self):
        code, out = self.given({"vectors": [
            {"detector": "kswin", "params": {}, "stream": [], "drift_at": []},
            {"detector": "ddm", "params": {"colour": 3}, "stream": [], "drift_at": []}],
            "runes": [1]})
        self.assertEqual(1, code)	# nothing passed
        for text in ("detector kswin", "parameter colour", "runes"):
            self.assertRegex(out, "skipped .*" + text)
        self.assertTrue(out.endswith("0 passed, 0 failed, 3 skipped\n"))
