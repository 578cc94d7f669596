"""Faults that need the kernel's help."""
import errno
import os
import subprocess
import unittest


class SmallDisk:
    """A tmpfs of `size` bytes at `path` (a new directory), to be filled or frozen.

    `with SmallDisk(d.state_dir, 4 << 20) as disk: ...` around the daemon's own
    `with`.  Where mounting is not permitted the test is skipped, with that reason."""

    def __init__(self, path, size):
        self.path, self.size = path, size
        self.filler = os.path.join(path, "filler")

    def __enter__(self):
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        done = self._mount("-t", "tmpfs", "-o", f"size={self.size},mode=0700", "none")
        if done.returncode != 0:
            raise unittest.SkipTest(f"cannot mount a tmpfs: {done.stderr.strip()}")
        return self

    def __exit__(self, *exc):
        subprocess.run(["umount", "-l", self.path], check=True)

    def _mount(self, *args):
        return subprocess.run(["mount", *args, self.path], text=True, capture_output=True,
                              check=False)

    def fill(self):
        """Take all the space that is left."""
        with open(self.filler, "ab", buffering=0) as f:
            try:
                while True:
                    f.write(b"\0" * 4096)
            except OSError as e:
                if e.errno != errno.ENOSPC:
                    raise

    def free(self):
        os.unlink(self.filler)

    def read_only(self, on=True):
        done = self._mount("-o", f"remount,{'ro' if on else 'rw'}")
        assert done.returncode == 0, done.stderr
