"""tests/run: what it finds, how it counts, and when it fails."""
import os
import unittest

from tree import Copy

GREEN = """import unittest


class T(unittest.TestCase):
    def test_a(self):
        pass

    @unittest.skip("no moon tonight")
    def test_b(self):
        pass
"""
RED = GREEN.replace("        pass\n", "        self.assertEqual(1, 2)\n", 1)
BROKEN = "import nothing_of_this_name\n"
TAP = "#!/bin/sh\nprintf '1..3\\nok 1 - x\\nnot ok 2 # SKIP y\\n%s\\n' '{}'\nexit {}\n"


class RunTest(unittest.TestCase):
    def setUp(self):
        self.tree = Copy("tests/run", "tests/tap.py").__enter__()
        self.addCleanup(self.tree.__exit__)

    def unit(self, text):
        """A stand-in for a cmocka program and its source."""
        self.tree.write("tests/unit/base/test_x.c", "")
        self.tree.write("build/tests/unit/base/test_x", text)
        os.chmod(self.tree.path("build/tests/unit/base/test_x"), 0o755)

    def run_tests(self, *args):
        status, output = self.tree.run("tests/run", "--build", "build", *args)
        return status, output.splitlines()

    def test_green_closes_with_counts_and_names_the_skip(self):
        self.tree.write("tests/a/test_green.py", GREEN)
        self.unit(TAP.format("ok 3 - z", 0))
        status, lines = self.run_tests()
        self.assertEqual((status, lines[-1]), (0, "3 passed, 0 failed, 2 skipped"))
        self.assertIn("skipped a/test_green.py T.test_b: no moon tonight", lines)

    def test_red_fails_and_shows_the_trace(self):
        self.tree.write("tests/a/test_red.py", RED)
        status, lines = self.run_tests()
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 1 skipped"))
        self.assertTrue(any("AssertionError: 1 != 2" in x for x in lines))

    def test_file_that_cannot_be_imported_fails(self):
        self.tree.write("tests/a/test_broken.py", BROKEN)
        status, lines = self.run_tests()
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed"))

    def test_program_that_dies_after_its_plan_fails(self):
        self.unit("#!/bin/sh\nprintf '1..2\\nok 1 - x\\n'\nkill -SEGV $$\n")
        status, lines = self.run_tests()
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed"))

    def test_test_that_was_never_reported_fails(self):
        self.unit("#!/bin/sh\nprintf '1..2\\nok 1 - x\\n'\n")
        self.assertEqual(self.run_tests()[0], 1)

    def test_notes_are_repeated_once_in_their_order(self):
        text = "print('# note: name  n\\n# note: b  1\\n# note: a  2\\n# note: b  1')\n"
        self.tree.write("tests/a/run.py", text)
        notes = [x for x in self.run_tests()[1] if x.startswith("note ")]
        self.assertEqual(notes, [f"note a/run.py: {x}" for x in ("name  n", "b  1", "a  2")])

    def test_exit_status_counts_even_when_all_is_ok(self):
        self.unit(TAP.format("ok 3 - z", 1))
        status, lines = self.run_tests()
        self.assertEqual((status, lines[-1]), (1, "2 passed, 1 failed, 1 skipped"))

    def test_run_py_without_tap_is_one_test(self):
        self.tree.write("tests/rules/run.py", "raise SystemExit(0)\n")
        status, lines = self.run_tests()
        self.assertEqual((status, lines[-1]), (0, "1 passed, 0 failed"))

    def test_only_selects_by_part_of_the_name(self):
        self.tree.write("tests/a/test_green.py", GREEN)
        self.tree.write("tests/b/test_red.py", RED)
        self.assertEqual(self.run_tests("--only", "a_green")[0], 0)
        self.assertEqual(self.run_tests("--only", "b/test_red")[0], 1)

    def test_nothing_to_run_is_a_failure(self):
        status, lines = self.run_tests("--only", "no such test")
        self.assertEqual((status, lines[-1]), (1, "0 passed, 0 failed"))

    def test_program_without_a_source_is_not_run(self):
        self.unit("#!/bin/sh\nexit 1\n")
        os.unlink(self.tree.path("tests/unit/base/test_x.c"))
        self.tree.write("tests/a/test_green.py", GREEN)
        self.assertEqual(self.run_tests()[0], 0)


if __name__ == "__main__":
    unittest.main()
