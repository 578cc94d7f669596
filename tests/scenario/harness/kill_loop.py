"""kill -9 again and again, while the input log comes in, and what is checked after it.

The moments are random: when so much is decided, after so long under load, and while
the daemon comes up.  Meanwhile a schedule ticks through the kills, steps run on
through them, and a broker is down now and then, stopped or killed itself.
"""
import concurrent.futures
import json
import re
import sqlite3
import time
import unittest

from . import torture

LOAD_S = 0.12               # a kill under load comes within this
STARTING = 0.2              # how many kills are followed by one during the start
PER_KILL = 38               # events between two kills, at most


def rows(d, sql, *args):
    """Opened for each look: a connection that stayed would spare the daemon the
    recovery of its write-ahead log."""
    db = sqlite3.connect(f"file:{d.database}?mode=ro", uri=True)
    try:
        return db.execute(sql, args).fetchall()
    finally:
        db.close()


class Decided:
    """{name of an event: seq} as the rules `every` and `keyed` decided it; each look
    reads on where the last one ended, and fails at the first that is decided twice."""

    def __init__(self, d):
        self.d, self.last, self.seq = d, 0, {}

    def look(self):
        for self.last, seq, event, key in rows(
                self.d, "SELECT id, seq, event, key FROM decision WHERE id > ?"
                        " AND rule IN ('every', 'keyed') ORDER BY id", self.last):
            name = key or event
            assert name not in self.seq, \
                f"{name} is decided twice: by inputs {self.seq[name]} and {seq}"
            self.seq[name] = seq
        return len(self.seq)


class KillLoop(unittest.TestCase):
    """Each test makes its sources and calls one of the loops, then whole()."""

    @staticmethod
    def quiet():
        """Thousands of starts at debug level would be a log of gigabytes."""
        return {"log": {"level": "info"}}

    def setting(self, d, box):
        self.d, self.box, self.rng = d, box, torture.rng(box.what)
        self.decided, self.repeats, self.outages = Decided(d), 0, 0
        self.began, self.began_ms = time.monotonic(), int(time.time() * 1000)
        d.kill9()
        at = time.monotonic()
        d.start()
        self.startup_s = time.monotonic() - at

    # Kills.

    def kill(self):
        """After a last look at the counter of repeats, and not at that moment."""
        m = self.d.metrics()
        self.repeats += int(sum(v for k, v in m.items() if k.startswith(
            "retraind_events_total") and 'outcome="duplicate"' in k))
        self.d.pause(self.rng.uniform(0, 0.01))
        self.kill_now()

    def kill_now(self):
        self.d.kill9()
        self.box.n += 1
        if torture.FULL and self.box.n % 200 == 0:
            print(f"# {self.box.n} kills, {self.decided.look()} decided,"
                  f" {time.monotonic() - self.began:.0f} s", flush=True)

    def come_back(self):
        while self.box.open() and self.rng.random() < STARTING:
            self.d.spawn()
            self.d.pause(self.rng.uniform(0, 1.2 * self.startup_s))
            self.kill_now()
        self.d.start()

    # The loop of a broker.

    def kill_amid(self, send, part):
        """A kill somewhere in what there is to do: before, within or after."""
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            left = self.sent - self.decided.look() + len(part)
            at = self.sent + len(part) - left + self.rng.randrange(0, left + 1)
            sender = pool.submit(send, part)
            self.sent += len(part)
            if self.rng.random() < 0.5:
                self.wait_decided(at, "part of a slice is decided")
            else:
                self.d.pause(self.rng.uniform(0, LOAD_S))
            self.kill()
            if self.rng.random() < 0.5:
                sender.result()         # the broker has it all, the daemon is down
            self.come_back()
            sender.result()

    def outage(self, down, broker_, send, part):
        """The broker goes in the middle of a slice and comes back after the daemon."""
        cut = self.rng.randrange(1, len(part) + 1)
        send(part[:cut])
        self.sent += len(part)
        down(part[cut - 1])
        self.kill()
        self.come_back()                # it starts, and is ready, without its broker
        broker_.up()
        if part[cut:]:
            send(part[cut:])
        self.outages += 1

    def broker_loop(self, feed, broker_, send, every, kill_broker=None):
        """`send(part)` hands a slice of the log to the broker, which goes down after
        `every` kills; kill_broker(event) ends it hard after this event was sent."""
        self.sent, next_outage = 0, every
        soft = lambda _: broker_.down()
        while self.box.open():
            part = feed.take(self.rng.randrange(2, PER_KILL + 1))
            if self.box.n < next_outage:
                self.kill_amid(send, part)
                continue
            next_outage += every
            self.outage(kill_broker if kill_broker and self.outages % 2 else soft,
                        broker_, send, part)
        send(feed.take_last())
        self.wait_decided(len(feed.log), "every event is decided", 120)

    def wait_decided(self, count, what, seconds=60):
        self.d.wait(lambda: self.decided.look() >= count, what, seconds)

    # What must be true in the end.

    def check_events(self, feeds):
        """Returns how many runs the events were due."""
        self.decided.look()
        self.assertEqual({f.id(n) for f in feeds for n, _, _ in f.log},
                         set(self.decided.seq))
        runs = [json.loads(p) for p, in rows(
            self.d, "SELECT params FROM run WHERE rule='tenth' ORDER BY id")]
        total = 0
        for f in feeds:
            self.assertEqual(f.due(), [r["n"] for r in runs if r["type"] == f.type])
            edges = f.rising_edges()
            level = rows(self.d, "SELECT outcome, count(*) FROM decision WHERE rule=?"
                                 " GROUP BY outcome", f"level.{f.type}")
            self.assertEqual({"fired": edges} if edges else {}, dict(level))
            total += len(f.due()) + edges
        return total

    def check_schedule(self, ended_ms):
        """Every whole second between the two, once: as row, as decision, as run."""
        due = [t for t, in rows(
            self.d, "SELECT due_ms FROM due JOIN rule ON rule.id=due.rule"
                    " WHERE rule.name='tick' ORDER BY due_ms")]
        first, last = -(-self.began_ms // 1000), ended_ms // 1000
        self.assertLessEqual(due[0], first * 1000, "ticks from the first start on")
        self.assertGreaterEqual(due[-1], last * 1000)
        self.assertEqual(list(range(due[0], due[-1] + 1, 1000)), due)
        self.assertEqual(
            [(t, "fired", 1) for t in due],
            rows(self.d, "SELECT due_ms, outcome, count FROM decision WHERE rule='tick'"
                         " ORDER BY due_ms"))
        runs = rows(self.d, "SELECT count(*), count(DISTINCT decision) FROM run"
                            " WHERE rule='tick'")
        self.assertEqual([(len(due), len(due))], runs)
        return len(due)

    def check_children(self, total):
        """They survived, were started once, and their exit codes are kept."""
        found = rows(
            self.d, "SELECT r.params, r.state, a.exit_code, count(*) FROM run r"
                    " LEFT JOIN attempt a ON a.run=r.id GROUP BY r.id")
        self.assertEqual(total, len(found))
        for params, state, code, attempts in found:
            want = abs(json.loads(params)["n"]) % 2
            self.assertEqual((want, "failed" if want else "completed", 1),
                             (code, state, attempts))
        recovered = re.findall(r"recovered (\d+) runs: (\d+) attached, (\d+) ended,"
                               r" (\d+) lost", self.d.log())
        self.assertGreater(sum(int(x[1]) for x in recovered), self.box.n // 10,
                           "kills came while steps ran")
        self.assertEqual(0, sum(int(x[3]) for x in recovered), "no run is lost")

    def check_own_events(self, total):
        """Created, started and ended: three events of each run, decided once each."""
        sql = "SELECT count(*), count(DISTINCT event) FROM decision WHERE rule='ended'"
        self.d.wait(lambda: rows(self.d, sql)[0][0] >= 3 * total,
                    "all events of runs are decided", 60)
        self.assertEqual([(3 * total, 3 * total)], rows(self.d, sql))

    def whole(self, feeds):
        ended = int(time.time() * 1000)
        self.d.wait(lambda: rows(self.d, "SELECT max(due_ms) FROM due")[0][0] >=
                    ended - ended % 1000, "the last tick")
        self.d.ctl("pause", "tick")     # no further due times
        self.d.wait(lambda: not rows(self.d, "SELECT 1 FROM run WHERE finished IS NULL"),
                    "every run has ended", 120)
        total = self.check_events(feeds)
        total += self.check_schedule(ended)
        self.check_children(total)
        self.check_own_events(total)
        self.done(total)

    def done(self, runs, more=""):
        if self.outages:
            more = f"{self.outages} outages of the broker, "
        print(f"# note: {self.box.what}: {len(self.decided.seq)} events, at least"
              f" {self.repeats} delivered again, {runs} runs, {more}"
              f"{(time.monotonic() - self.began) / 60:.1f} minutes", flush=True)
        self.box.done()
