"""A copy of the tree that a test of the scripts may spoil."""
import os
import shutil
import subprocess
import tempfile

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Copy:
    """`with Copy("src", ...) as t: t.append("src/x.c", TEXT); t.make("floors")`"""

    def __init__(self, *parts):
        self.parts = parts

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="retraind-tree-")
        for part in self.parts:
            source = os.path.join(TREE, part)
            if os.path.isdir(source):
                # With its times: what make has built in build/floors stays built.
                shutil.copytree(source, os.path.join(self.dir, part), symlinks=True)
            elif os.path.exists(source):
                os.makedirs(os.path.dirname(os.path.join(self.dir, part)), exist_ok=True)
                shutil.copy2(source, os.path.join(self.dir, part))
        return self

    def __exit__(self, *exc):
        shutil.rmtree(self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            return f.read()

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)

    def append(self, name, text):
        self.write(name, (self.read(name) if os.path.exists(self.path(name)) else "") + text)

    def run(self, *argv, **env):
        """(exit status, all output)"""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
        done = subprocess.run(argv, cwd=self.dir, text=True, env={**clean, **env},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout

    def make(self, *args):
        return self.run("make", "--no-print-directory", *args)
