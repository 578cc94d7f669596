"""The plan of tests/preload/fault.c: which call of a program fails, once."""
import collections
import mmap
import os
import struct
import subprocess

from .daemon import build_dir

CLASSES = ("all", "sqlite", "read", "write", "fsync", "rename", "spawn", "open", "alloc")
HEAD = struct.Struct("=32sIiQQQQQII32s2048s")
RECORD = struct.Struct("=QII24s")
SHORT = -1                  # half of the bytes are written

Call = collections.namedtuple("Call", "site kind name")


def is_asan(build):
    with open(os.path.join(build, "retraind"), "rb") as f:
        return b"libasan.so" in f.read()


def preload_env(plan, build=None):
    """What the environment of a program needs.  The sanitizer's library comes first,
    but where its own malloc is what shall fail."""
    build = build or build_dir()
    libs = [os.path.join(build, "tests/fault.so")]
    options = os.environ.get("ASAN_OPTIONS", "")
    if is_asan(build):
        libs.insert(plan.kind == "alloc", subprocess.run(
            ["gcc", "-print-file-name=libasan.so"], text=True, capture_output=True,
            check=True).stdout.strip())
        options += ":verify_asan_link_order=0"
    return {"LD_PRELOAD": ":".join(libs), "FAULT_FILE": plan.path,
            "ASAN_OPTIONS": options.lstrip(":")}


class Plan:
    """Plan(path, "retraind", "sqlite", error, n=3): the third such call fails.

    site: only calls from there are counted; records: room for what was called."""

    def __init__(self, path, program, kind, error=0, n=0, site=0, records=0):
        self.path, self.kind, self.error, self.n, self.site = path, kind, error, n, site
        size = HEAD.size + records * RECORD.size
        with open(path, "wb") as f:
            f.truncate(size)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), size)
        HEAD.pack_into(self.map, 0, program.encode(), CLASSES.index(kind), error, site, n,
                       records, 0, 0, 0, 0, b"", b"")

    def _head(self):
        return HEAD.unpack_from(self.map, 0)

    @property
    def calls(self):
        return self._head()[6]

    @property
    def delivered(self):
        return bool(self._head()[8])

    @property
    def pid(self):
        return self._head()[9]

    def recorded(self):
        """Every call, in order, as far as there was room."""
        n = min(self.calls, self._head()[5])
        rows = (RECORD.unpack_from(self.map, HEAD.size + i * RECORD.size)
                for i in range(n))
        return [Call(site, CLASSES[kind], name.rstrip(b"\0").decode())
                for site, kind, _, name in rows if kind]

    def __str__(self):
        head = self._head()
        error = "short" if self.error == SHORT else self.error
        where = f"site {self.site:x} " if self.site else ""
        text = f"{self.kind} {where}call {self.n} with {error}"
        if not self.delivered:
            return text + ", not reached"
        return f"{text}: {head[10].rstrip(bytes(1)).decode()} in {self.pid}"

    def trace(self):
        """The callers, by name where addr2line knows them."""
        out = []
        for line in self._head()[11].rstrip(b"\0").decode().splitlines():
            name, _, at = line.rpartition("+")
            if not os.path.isabs(name):
                name = os.path.join(build_dir(), name)
            done = subprocess.run(["addr2line", "-sfpe", name, hex(int(at, 16) - 1)],
                                  text=True, capture_output=True, check=False)
            known = done.returncode == 0 and "??" not in done.stdout
            out.append(done.stdout.strip() if known
                       else f"{os.path.basename(name)}+{at}")
        return "\n".join(out)

    def close(self):
        self.map.close()
