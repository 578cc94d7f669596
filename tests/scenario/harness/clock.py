"""A daemon whose clocks the test moves, through tests/preload/clock.c."""
import mmap
import os
import struct
import subprocess
import time

from .daemon import Daemon, build_dir

NS = 1_000_000_000


def sanitizer():
    """libasan, where the daemon is built with it: it must come first."""
    with open(os.path.join(build_dir(), "retraind"), "rb") as f:
        if b"libasan.so" not in f.read():
            return []
    return [subprocess.run(["gcc", "-print-file-name=libasan.so"], text=True, check=True,
                           capture_output=True).stdout.strip()]


class ClockDaemon(Daemon):
    """d.set_wall(ms) steps its wall clock, d.suspend(seconds) is a sleep of the machine.
    `at`: the wall time at the start, ms."""

    def __init__(self, at=None, **more):
        super().__init__(**more)
        path = os.path.join(self.dir, "clock")
        with open(path, "wb") as f:
            f.write(bytes(16))
        os.mkfifo(path + ".set")
        self.fifo = os.open(path + ".set", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(path, "r+b") as f:
            self.plan = mmap.mmap(f.fileno(), 16)
        self.preload = ["LD_PRELOAD=" + ":".join(
            [*sanitizer(), os.path.join(build_dir(), "tests", "clock.so")]),
            f"CLOCK_FILE={path}"]
        if at is not None:
            self.set_wall(at)

    def argv(self):
        return ["env", *self.preload, *super().argv()]

    def offsets(self):
        return struct.unpack("=qq", self.plan[:])

    def wall(self):
        """What the daemon's wall clock says now, ms."""
        return (time.time_ns() + self.offsets()[0]) // 1_000_000

    def move(self, wall_ns, boot_ns):
        self.plan[:] = struct.pack("=qq", wall_ns, boot_ns)
        if self.proc is not None:       # the kernel tells who is there to hear it
            os.write(self.fifo, b"!")

    def set_wall(self, ms):
        self.move(ms * 1_000_000 - time.time_ns(), self.offsets()[1])

    def suspend(self, seconds):
        wall, boot = self.offsets()
        self.move(wall + int(seconds * NS), boot + int(seconds * NS))

    def close(self):
        super().close()
        if self.fifo >= 0:
            os.close(self.fifo)
            self.fifo = -1
