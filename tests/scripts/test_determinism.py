"""The pure floors decide the same whatever compiled them: gcc -O0, gcc -O2, clang -O2.

The programs are built below the build under test and stay there, so that only the first
run, and a change, costs a build."""
import hashlib
import os
import shutil
import subprocess
import unittest

from tree import TREE

PROGRAM = "tests/unit/replay/test_determinism"
BUILDS = (("gcc", "-O0"), ("gcc", "-O2"), ("clang", "-O2"))


def build(compiler, level):
    """The program, linked with the pure floors alone (as its place under unit/ says)."""
    out = os.path.join(os.path.abspath(os.environ.get("RETRAIN_BUILD", "build")),
                       f"determinism/{compiler}{level}")
    # Levels come by the environment: the Makefile adds the flags that decide.
    done = subprocess.run(
        ["make", "--no-print-directory", f"CC={compiler}", f"B={out}", "SAN=", "LTO=",
         f"-j{os.cpu_count()}", f"{out}/{PROGRAM}"], cwd=TREE, capture_output=True,
        text=True, env={**os.environ, "CFLAGS": level, "MAKEFLAGS": ""}, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return os.path.join(out, PROGRAM)


class Determinism(unittest.TestCase):
    def test_same_log(self):
        logs = {}
        for compiler, level in BUILDS:
            if not shutil.which(compiler):
                self.skipTest(f"there is no {compiler}")
            log = subprocess.run([build(compiler, level), "--log"], capture_output=True,
                                 check=True).stdout
            self.assertGreater(log.count(b"\n"), 1000)
            logs[compiler + level] = log
        first, *others = logs
        for name in others:
            if logs[name] != logs[first]:
                a, b = logs[first].splitlines(), logs[name].splitlines()
                n = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y),
                         min(len(a), len(b)))
                self.fail(f"{first} and {name} differ at line {n + 1}:\n"
                          f"{a[n:n + 1]}\n{b[n:n + 1]}")
        print("#", hashlib.sha256(logs[first]).hexdigest()[:16],
              f"{len(logs[first])} bytes, {', '.join(logs)}")


if __name__ == "__main__":
    unittest.main()
