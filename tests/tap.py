#!/usr/bin/env python3
"""Run one file of unittest cases and print its results as TAP, as cmocka's are.

    tap.py FILE [unittest arguments]

tests/run starts this for every test_*.py; the file's folder and tests/scenario (for
the harness) are importable.
"""
import importlib.util
import os
import sys
import traceback
import unittest


class TapResult(unittest.TestResult):
    """One line per test, at once; a failure's trace follows as comments."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def line(self, word, test, note=""):
        self.count += 1
        print(f"{word} {self.count} - {test.id().partition('.')[2]}{note}", flush=True)

    def trace(self, test, err, word="not ok"):
        self.line(word, test)
        text = "".join(traceback.format_exception(*err))
        print("\n".join("# " + x for x in text.splitlines()), flush=True)

    def addSuccess(self, test):
        self.line("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.trace(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.trace(test, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line("ok", test, f" # SKIP {reason}")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.trace(subtest, err)

    def addExpectedFailure(self, test, err):
        self.line("ok", test)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.line("not ok", test, " (it was expected to fail)")


def load(path):
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:0] = [os.path.dirname(os.path.abspath(path)), os.path.join(here, "scenario")]
    name = os.path.basename(path).rpartition(".")[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return unittest.defaultTestLoader.loadTestsFromModule(module)


def main():
    result = TapResult()
    load(sys.argv[1]).run(result)
    print(f"1..{result.count}")
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
