"""Every call that can fail fails once: SQLite's, reads, writes, fsyncs, renames, spawns,
descriptors, memory; in the daemon and in the shim.

A pass (fault_scenario.py) without faults counts the calls and their call sites.  Then
each pass has one fault: first at one call of every site, so that each path is gone once,
then at calls of all numbers, spread evenly and by the seed, with each of the class's
errors in turn.  After each the pass must come out as if nothing had been: see there.

Without TORTURE=1 a seeded sample of each class is taken.
"""
import collections
import concurrent.futures
import errno
import os
import unittest

from fault_scenario import Pass
from harness import Mosquitto, build_dir, torture
from harness.preload import SHORT, Plan

IOERR, FULL, NOMEM, BUSY = 10, 13, 7, 5             # results of SQLite
ERRORS = {
    "sqlite": [IOERR, FULL, NOMEM, BUSY],
    "read": [errno.EIO, errno.EINTR],
    "write": [errno.ENOSPC, errno.EIO, SHORT, errno.EINTR],
    "fsync": [errno.EIO, errno.ENOSPC],
    "rename": [errno.EIO, errno.ENOSPC],
    "spawn": [errno.EAGAIN, errno.ENOMEM],
    "open": [errno.EMFILE, errno.ENOMEM, errno.EIO],
    "alloc": [errno.ENOMEM],
}
CALLS_MAX = 2000            # of each class; the shim reads all of /proc again and again
SAMPLE = 3                  # of each class in the short slice
AT_ONCE = 3                 # passes side by side: each mostly waits


class Faults(unittest.TestCase):
    counted = {}

    @classmethod
    def setUpClass(cls):
        cls.mqtt = cls.enterClassContext(Mosquitto())

    def use(self, build):
        old = os.environ.get("RETRAIN_BUILD")
        os.environ["RETRAIN_BUILD"] = build
        self.addCleanup(lambda: os.environ.update({"RETRAIN_BUILD": old}) if old
                        else os.environ.pop("RETRAIN_BUILD"))

    def mqtt_of(self, program):
        """The shim knows no broker."""
        return self.mqtt if program == "retraind" else None

    def count(self, program, kind="all"):
        """The calls of a pass without faults, which must come out exactly right."""
        name = (program, kind, build_dir())
        if name not in self.counted:
            plans = []

            def plan_of(path, program):
                plans.append(Plan(path, program, kind, records=kind == "all" and 100000))
                return plans[0]
            Pass(plan_of, program, exact=True, mqtt=self.mqtt_of(program)).run()
            self.counted[name] = plans[0].recorded() if kind == "all" else plans[0].calls
            plans[0].close()
        return self.counted[name]

    def points(self, program, kind):
        """(site, n, error) of every fault, the sites first."""
        rng = torture.rng(f"{program} {kind}")
        calls = [c for c in self.count(program) if c.kind == kind]
        sites = collections.Counter(c.site for c in calls)
        errors = ERRORS[kind]
        first = [(site, rng.randint(1, n)) for site, n in sites.items()]
        rng.shuffle(first)
        for i, (site, n) in enumerate(first):
            yield site, n, errors[i % len(errors)]
        left = [(0, n) for n in range(1, len(calls) + 1)]
        rng.shuffle(left)
        for i, (site, n) in enumerate(left):
            yield site, n, errors[i % len(errors)]

    def one(self, program, kind, point, may_abort):
        site, n, error = point
        plans = []

        def plan_of(path, program):
            plans.append(Plan(path, program, kind, error, n, site))
            return plans[0]
        p = Pass(plan_of, program, may_abort=may_abort, mqtt=self.mqtt_of(program))
        p.run()
        got = plans[0].delivered, [e for e in p.ends if e != 0]
        plans[0].close()
        # A pass need not make as many calls as the one that was counted.
        return got if got[0] or n == 1 else self.one(program, kind, (site, n // 2, error),
                                                     may_abort)

    def loop(self, program, kind, points, what, wanted, may_abort=False):
        box = torture.Box(what, wanted)
        reached, ends = 0, collections.Counter()
        failures = []
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            running = set()
            while running or (box.open() and not failures):
                while len(running) < AT_ONCE and box.open() and not failures:
                    point = next(points, None)
                    if point is None:
                        box.wanted = box.n
                        break
                    box.n += 1
                    running.add(pool.submit(self.one, program, kind, point, may_abort))
                done, running = concurrent.futures.wait(
                    running, return_when=concurrent.futures.FIRST_COMPLETED)
                for f in done:
                    if f.exception():
                        failures.append(str(f.exception()))
                        continue
                    reached += f.result()[0]
                    ends.update(f.result()[1])
        if failures:
            self.fail(f"{len(failures)} of {box.n} {what}\n" + "\n\n".join(failures))
        box.done()
        print(f"# note: {what}: {reached} reached, the program ended "
              f"{sum(ends.values())} times: {dict(ends)}", flush=True)
        self.assertGreater(reached, 0, f"{what}: none was reached")

    def each(self, kind, program="retraind", may_abort=False):
        self.use(os.environ.get("RETRAIN_SAN_BUILD") or build_dir())
        calls = [c for c in self.count(program) if c.kind == kind]
        sites = len({c.site for c in calls})
        whole = sites + min(len(calls), CALLS_MAX)
        self.loop(program, kind, self.points(program, kind),
                  f"{kind} faults in {program} ({len(calls)} calls, {sites} sites)",
                  torture.count(SAMPLE, whole), may_abort)

    def test_sqlite(self):
        self.each("sqlite")

    def test_read(self):
        self.each("read")

    def test_write(self):
        self.each("write")

    def test_fsync(self):
        self.each("fsync")

    def test_rename(self):
        self.each("rename")

    def test_spawn(self):
        self.each("spawn")

    def test_open(self):
        """Without the first descriptors libev and GLib end the process."""
        self.each("open", may_abort=True)

    def test_shim(self):
        """What a step left may then be lost, and with it the step; never the run."""
        for kind in ERRORS:
            if kind not in ("sqlite", "alloc"):
                with self.subTest(kind):
                    self.each(kind, "retrain-shim")

    def test_alloc(self):
        """The process ends (or a library says what it lacks); the restart lost nothing.

        Calls are too many for each to fail: they are drawn by the seed."""
        calls = self.count("retraind", "alloc")
        rng = torture.rng("alloc")
        self.loop("retraind", "alloc",
                  ((0, rng.randint(1, calls), errno.ENOMEM) for _ in iter(int, 1)),
                  f"alloc faults in retraind ({calls} calls)", torture.count(SAMPLE, 500),
                  may_abort=True)


if __name__ == "__main__":
    unittest.main()
