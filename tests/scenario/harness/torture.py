"""How much of a long run is wanted: a short slice in `make test`, all of it in
`make torture`.  SEED makes a run again; MINUTES bounds each loop."""
import os
import random
import time

FULL = os.environ.get("TORTURE") == "1"
SEED = int(os.environ.get("SEED", "20261123"))
MINUTES = float(os.environ.get("MINUTES", "45"))


def count(short, full):
    return full if FULL else short


def rng(salt=""):
    """The same numbers for the same SEED, different ones for each salt."""
    return random.Random(f"{SEED} {salt}")


class Box:
    """A loop's time: `while box.open(): ...`.  done() notes what was reached, so that
    a loop cut short by its time never looks like a whole one."""

    def __init__(self, what, wanted):
        self.what, self.wanted, self.n = what, wanted, 0
        self.end = time.monotonic() + 60 * MINUTES

    def open(self):
        return self.n < self.wanted and time.monotonic() < self.end

    def done(self):
        assert self.n > 0, f"{self.what}: nothing was done in {MINUTES} minutes"
        print(f"# note: {self.n} of {self.wanted} {self.what}, seed {SEED}", flush=True)
