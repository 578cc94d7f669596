"""What every row uses: the daemon as users run it, programs beside it, and numbers.

A row is measured beside its floor in the same run, A B A B, for at least seven rounds,
because identical runs differ by up to 60 % on a shared machine; what is believed is the
median of the pairwise ratios, printed with its least and greatest.

A file bench/row_*.py has ROWS = [Row(name, what, target, run)]; run(ctx) gives a Result.
Environment: ROUNDS=N for fewer rounds while trying, RETRAIN_BUILD for the programs.
"""
import ctypes.util
import glob
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Callable, Optional

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TREE, "tests", "scenario"))
from harness import Daemon, Mosquitto, build_dir, wait_until  # noqa: E402

__all__ = ["Row", "Result", "Context", "Service", "Mosquitto", "NullBroker", "tool",
           "call", "load_http", "wait_until", "cpu_ns", "memory", "median", "percentile",
           "interleave", "Ratios", "machine", "limit", "rules_text"]

ROUNDS_LEAST = 7


@dataclass
class Row:
    name: str               # what `make bench B=` takes
    what: str
    target: str
    run: Callable


@dataclass
class Result:
    """value, floor and ratio are short texts; reached is None where nothing is asked."""
    value: str
    floor: str = ""
    ratio: str = ""
    reached: Optional[bool] = None
    missed: str = ""        # by how much, where not reached
    details: list = field(default_factory=list)
    numbers: dict = field(default_factory=dict)

    @property
    def verdict(self):
        if self.reached is None:
            return "-"
        return "reached" if self.reached else f"missed: {self.missed}"


class Context:
    """rounds: how often; note(): what happens now, on standard error."""

    def __init__(self, rounds=None):
        self.rounds = rounds or int(os.environ.get("ROUNDS", ROUNDS_LEAST))

    @staticmethod
    def note(text):
        print(f"  {text}", file=sys.stderr, flush=True)


def limit(parts):
    """(reached, missed) of [(name, value, most, unit)]: each value at most its bound."""
    over = [f"{name} {value:.3g} {unit} is {value / most:.2f} x {most:g}"
            for name, value, most, unit in parts if value > most]
    return not over, "; ".join(over)


# The parts.

class Service(Daemon):
    """The plain daemon with the log level users have."""

    def __init__(self, rules=None, sources=None, config=None):
        super().__init__(rules, sources, {"log": {"level": "info"}, **(config or {})})

    @property
    def token_file(self):
        return os.path.join(self.state_dir, "admin.token")

    @property
    def pid(self):
        return self.proc.pid

    def accepted(self, source):
        """Events that this process has taken from a source."""
        return self.metrics().get(
            f'retraind_events_total{{source="{source}",outcome="accepted"}}', 0)


class NullBroker:
    """bench/nullbroker.c; it ends with its standard input, so with us."""

    def __init__(self, *args):
        self.proc = subprocess.Popen([tool("nullbroker"), *map(str, args)], text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.proc.stdout.readline())

    def source(self, topics, **more):
        """A row for `sources:` named kafka, read from its begin."""
        return {"name": "kafka", "kind": "kafka", "brokers": [f"127.0.0.1:{self.port}"],
                "topics": topics, "start": "begin", **more}

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.proc.stdin.close()
        self.proc.stdout.close()
        self.proc.wait()


def tool(name):
    """bench/NAME.c, built."""
    return os.path.join(build_dir(), "bench", name)


def call(name, *args, seconds=600):
    """Run a bench program to its end; what it prints is JSON."""
    done = subprocess.run([tool(name), *map(str, args)], text=True, capture_output=True,
                          timeout=seconds, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: exit {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout)


def load_http(service, **options):
    """bench/http_load.c against a daemon; an event that it refuses is an error."""
    argv = [x for name, value in options.items() for x in (f"--{name}", value)]
    got = call("http_load", "--port", service.port, "--token-file", service.token_file,
               *argv)
    assert got["refused"] == 0, got
    return got


def rules_text(rules, steps=({"name": "a", "command": ["true"]},), **pipeline):
    """A rule file with one pipeline, `noop`; JSON is YAML."""
    return json.dumps({"rules": rules, "pipelines": [
        {"name": "noop", "steps": list(steps), **pipeline}]})


# What a process used.

def cpu_ns(pid):
    """CPU time of all threads that live; /proc/PID/stat is a hundred times coarser."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        try:
            with open(path, encoding="ascii") as f:
                total += int(f.read().split()[0])
        except OSError:
            pass            # a thread that has just ended
    return total


def memory(pid):
    """{"rss", "anon", "data"} in bytes, as the kernel counts pages, not estimates."""
    names = {"Rss:": "rss", "Anonymous:": "anon", "Private_Dirty:": "data"}
    got = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            word = line.split()
            if word[0] in names:
                got[names[word[0]]] = int(word[1]) * 1024
    return got


# Numbers.

median = statistics.median


def percentile(values, p):
    """Nearest rank of the sorted values; p in percent."""
    v = sorted(values)
    return v[min(len(v), max(1, math.ceil(len(v) * p / 100))) - 1] if v else math.nan


@dataclass
class Ratios:
    """Pairwise, round by round: both sides of a pair saw the same machine."""
    values: list

    @property
    def median(self):
        return median(self.values)

    def __str__(self):
        return f"{self.median:.2f} ({min(self.values):.2f}..{max(self.values):.2f})"


def interleave(ctx, what, a, b):
    """A B A B: ([a()], [b()]), one pair for each round."""
    left, right = [], []
    for i in range(ctx.rounds):
        ctx.note(f"{what}: round {i + 1} of {ctx.rounds}")
        left.append(a())
        right.append(b())
    return left, right


# Where it was measured.

def _first(path, word, default="unknown"):
    try:
        with open(path, encoding="utf-8") as f:
            found = (x.split(":", 1)[1].strip() for x in f if x.startswith(word))
            return next(found, default)
    except OSError:
        return default


def _packages():
    """Versions of the libraries, as pkg-config knows them."""
    names = ("rdkafka", "libmosquitto", "sqlite3", "libmicrohttpd", "libzstd", "glib-2.0")
    found = {}
    for name in names:
        done = subprocess.run(["pkg-config", "--modversion", name], text=True,
                              capture_output=True, check=False)
        found[name] = done.stdout.strip() or "?"
    found["libc"] = platform.libc_ver()[1] or str(ctypes.util.find_library("c"))
    return found


def _flags():
    try:
        with open(os.path.join(build_dir(), "flags"), encoding="utf-8") as f:
            return f.read().strip()
    except OSError:
        return "unknown"


def _filesystem(path):
    done = subprocess.run(["stat", "-f", "-c", "%T", path], text=True,
                          capture_output=True, check=False)
    return done.stdout.strip() or "unknown"


def machine():
    """The head of every result: numbers mean nothing without it."""
    import tempfile
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": _first("/proc/cpuinfo", "model name"),
        "cpus": os.cpu_count(),
        "memory": _first("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "load": list(os.getloadavg()),
        "filesystem": _filesystem(tempfile.gettempdir()),
        "libraries": _packages(),
        "flags": _flags(),
    }
