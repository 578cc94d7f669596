"""Children through it all: hundreds run while the daemon is killed again and again.

Each child is a shell that writes its number and its pid into a ledger, opens a fifo of
its own and ends when the test opens the other side, with a code or by a signal that
its number says.  So the test knows when which child ends, also while no daemon lives,
and nothing of what it expects comes from the daemon:

    ledger      each number once: no child was started twice
    attempt     one per run, with the exit code of that number
    /proc       whoever is not released lives on through every kill; when `aborted` is
                written, nothing of that run lives, escaped grandchildren included
"""
import collections
import os
import re
import sqlite3
import statistics
import time
import unittest

from harness import Daemon, Timeout, alive, wait_until
from harness.torture import Box, count, rng

LIVE = count(40, 500)           # children at a time
KILLS = count(5, 50)
ROUND = max(2, LIVE // 50)      # that end, and that begin, between two kills
ACTIVE = count(40, 1000)        # of the schedule's test (promise G7)
TICKS = count(3, 30)
BATCH = 250                     # events in one request
SIGNALS = (9, 15, 10)           # KILL TERM USR1, which no shell takes for its own

RULES = """
rules:
  - name: child
    on: {type: child}
    backoff: off
    run: {pipeline: child, params: {n: "${data.n}"}}
  - name: tick
    schedule: {every: 1s, catch_up: all}
    mode: disabled
    run: tick
pipelines:
  - name: child
    params: {n: {type: int}}
    steps: [{name: wait, command: [sh, CHILD, BOX]}]
  - name: tick
    steps: [{name: nothing, command: ["true"]}]
"""
# Of ten children two leave a grandchild behind that escapes its session and has a child
# of its own; of fifty two take no notice of TERM, together with their grandchildren.
CHILD = """
n=$RETRAIN_PARAM_N
echo "$n $$" >> "$1/ledger"
[ $((n % 25)) = 0 ] && trap '' TERM
if [ $((n % 5)) = 0 ]; then
        setsid sh -c 'read x < "$0" & read x < "$0"' "$1/never" &
fi
read x < "$1/$n"
case $((n % 10)) in
7) kill -$2 $$ ;;
esac
exit $((n % 256))
""".replace("$2", "$(echo %d %d %d | cut -d ' ' -f $((n / 10 %% 3 + 1)))" % SIGNALS)


def fate(n):
    """(state, exit code, words in the reason) of a child that was released."""
    if n % 10 == 7:
        return "failed", None, f"killed by signal {SIGNALS[n // 10 % 3]}"
    if n % 256 == 0:
        return "completed", 0, ""
    return "failed", n % 256, str(n % 256)


def keys_alive(state_dir):
    """Keys of steps of which any process lives, from one look at all of /proc."""
    mark = re.compile(re.escape(os.fsencode(os.path.join(state_dir, "runs")))
                      + rb"/(rt-[a-z2-7]+)")
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        text = b""
        try:
            for name in ("cmdline", "environ"):
                with open(f"/proc/{pid}/{name}", "rb") as f:
                    text += f.read()
        except OSError:
            continue
        keys = set(mark.findall(text))
        if keys and alive(int(pid)):
            found.update({k.decode(): int(pid) for k in keys})
    return found


def descriptors(d):
    """What the daemon has open, sorted; but for the database, whose readers open and
    map it when they are first asked."""
    held = []
    for fd in os.listdir(f"/proc/{d.proc.pid}/fd"):
        try:
            held.append(re.sub(r":\[\d+\]$", "", os.readlink(f"/proc/{d.proc.pid}/fd/{fd}")))
        except FileNotFoundError:
            pass
    return sorted(x for x in held if not x.startswith(d.database))


def zombies_of(pid):
    found = []
    for other in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{other}/stat", encoding="ascii", errors="replace") as f:
                state, parent = f.read().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state == "Z":
            found.append(int(other))
    return found


class Flock:
    """The children of one daemon, as the test wants them."""

    def __init__(self, live):
        self.d = Daemon(config={
            "executors": {"local": {"kind": "process", "running": live + 100, "grace": "2s",
                                    "starts_per_second": 1000}},
            "limits": {"mutations_per_second": 1000}})
        self.box = os.path.join(self.d.dir, "box")
        os.mkdir(self.box)
        os.mkfifo(os.path.join(self.box, "never"))
        child = os.path.join(self.box, "child")
        with open(child, "w", encoding="ascii") as f:
            f.write(CHILD)
        self.d.write_rule("r.yaml", RULES.replace("CHILD", child).replace("BOX", self.box))
        self.live, self.released, self.last = [], [], 0
        self.restarts = []

    def __enter__(self):
        self.d.__enter__()
        return self

    def __exit__(self, *exc):
        self.d.__exit__(*exc)

    def rows(self, sql):
        db = sqlite3.connect(f"file:{self.d.database}?mode=ro", uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def ledger(self):
        """[(number, pid)], one for each time that a child was started."""
        try:
            with open(os.path.join(self.box, "ledger"), encoding="ascii") as f:
                return [tuple(map(int, line.split())) for line in f]
        except FileNotFoundError:
            return []

    def begin(self, count_):
        """Ask for children; the answer comes after the commit."""
        fresh = list(range(self.last + 1, self.last + count_ + 1))
        self.last += count_
        for n in fresh:
            os.mkfifo(os.path.join(self.box, str(n)))
        for i in range(0, len(fresh), BATCH):
            status, answer, _ = self.d.http("POST", "/api/v1/events", [
                {"specversion": "1.0", "type": "child", "id": f"c{n}", "source": "/flock",
                 "data": {"n": n}} for n in fresh[i:i + BATCH]],
                {"Content-Type": "application/cloudevents-batch+json"})
            assert status == 202, answer
        self.live += fresh

    def begun(self):
        return {n for n, _ in self.ledger()}

    def wait_begun(self):
        self.d.wait(lambda: set(self.live) <= self.begun(), "every child is there", 300)

    def release(self, numbers):
        """Let children end; each waits at its fifo, or is about to."""
        for n in numbers:
            path = os.path.join(self.box, str(n))
            os.close(wait_until(lambda p=path: os.open(p, os.O_WRONLY | os.O_NONBLOCK) + 1,
                                60, f"child {n} waits") - 1)
            self.live.remove(n)
            self.released.append(n)

    def restart(self):
        began = time.monotonic()
        self.d.start()
        self.restarts.append(time.monotonic() - began)


class Children(unittest.TestCase):
    def check_survivors(self, flock):
        pids = dict(flock.ledger())
        gone = [n for n in flock.live if n in pids and not alive(pids[n])]
        self.assertFalse(gone, "children that were not released live on")

    def kill_while_starting(self, flock, random, box):
        """The first kills come while the children are being started."""
        flock.begin(LIVE)
        while box.n < KILLS // 5 and not set(flock.live) <= flock.begun():
            flock.d.pause(random.uniform(0, 0.5))
            flock.d.kill9()
            flock.restart()
            self.check_survivors(flock)
            box.n += 1
        flock.wait_begun()
        flock.restarts.clear()          # from here on all of them are there

    def kill_while_ending(self, flock, random, box):
        """Between two kills some begin and some end, before it and without a daemon."""
        while box.open():
            ends = random.sample([n for n in flock.live if n in flock.begun()], ROUND)
            flock.begin(ROUND)
            flock.release(ends[:ROUND // 2])
            flock.d.pause(random.uniform(0, 0.3))
            flock.d.kill9()
            flock.release(ends[ROUND // 2:])
            flock.restart()
            self.check_survivors(flock)
            box.n += 1
        flock.wait_begun()

    def check_ended(self, flock):
        """What is in the database, against what the numbers say."""
        flock.d.wait(lambda: flock.rows("SELECT count(*) FROM run WHERE finished IS NOT NULL")
                     [0][0] >= len(flock.released), "all that were released ended", 120)
        found = {n: (state, code, reason or "") for n, state, code, reason in flock.rows(
            "SELECT json_extract(r.params, '$.n'), r.state, a.exit_code, a.reason FROM run r"
            " JOIN attempt a ON a.run=r.id WHERE r.finished IS NOT NULL")}
        self.assertEqual(set(flock.released), set(found))
        for n in flock.released:
            state, code, words = fate(n)
            self.assertEqual((state, code), found[n][:2], f"child {n}")
            self.assertIn(words, found[n][2], f"child {n}")

    def check_once(self, flock):
        numbers = sorted(n for n, _ in flock.ledger())
        self.assertEqual(list(range(1, flock.last + 1)), numbers, "each started once")
        self.assertEqual([(flock.last, flock.last, 1)], flock.rows(
            "SELECT count(*), count(DISTINCT run), max(attempt) FROM attempt"))
        lines = re.findall(r"recovered (\d+) runs: (\d+) attached, (\d+) ended, (\d+) lost",
                           flock.d.log())
        self.assertEqual(0, sum(int(x[3]) for x in lines), "no run is lost")
        self.assertGreater(sum(int(x[1]) for x in lines), 0)
        self.assertGreater(sum(int(x[2]) for x in lines), 0, "some ended meanwhile")

    def abort_all(self, flock):
        """No process of a run lives once its `aborted` can be read."""
        left = set(flock.live)
        flock.d.ctl("abort", "--all", "--reason", "enough", seconds=300)

        def all_aborted():
            aborted = dict(flock.rows(
                "SELECT a.akey, json_extract(r.params, '$.n') FROM run r JOIN attempt a"
                " ON a.run=r.id WHERE r.state='aborted'"))
            there = keys_alive(flock.d.state_dir)       # after the rows were read
            self.assertFalse({k: there[k] for k in aborted if k in there})
            return set(aborted.values()) == left

        # Not wait(), to which a failed assertion is only an answer.
        end = time.monotonic() + 300
        while not all_aborted():
            self.assertLess(time.monotonic(), end, "every run is aborted")
            flock.d.pause(0.02)
        flock.live.clear()
        self.assertFalse(flock.d.steps())

    def check_descriptors(self, d, base):
        def more():     # the base may hold a client of that moment
            return collections.Counter(descriptors(d)) - collections.Counter(base)
        try:
            d.wait(lambda: not more(), "descriptors are back")
        except Timeout:
            self.assertFalse(more())

    def test_kills_leave_every_child_and_its_code(self):
        random = rng("children")
        box = Box(f"kills beside {LIVE} children", KILLS)
        with Flock(LIVE) as flock:
            base = descriptors(flock.d)
            self.kill_while_starting(flock, random, box)
            self.kill_while_ending(flock, random, box)
            held = len(descriptors(flock.d))
            flock.release(random.sample(flock.live, LIVE // 2))
            self.check_ended(flock)
            self.check_once(flock)
            self.abort_all(flock)
            self.check_once(flock)
            self.check_descriptors(flock.d, base)
            self.assertFalse(zombies_of(flock.d.proc.pid))
            print(f"# note: start to ready beside {LIVE} children: median "
                  f"{statistics.median(flock.restarts):.2f} s, longest "
                  f"{max(flock.restarts):.2f} s; {flock.last} children, descriptors {len(base)}"
                  f" without any, {held} with {LIVE}", flush=True)
            box.done()

    def test_due_times_beside_active_runs(self):
        """Promise G7's load: what is measured is a note, each due time once is a test."""
        with Flock(ACTIVE) as flock:
            flock.begin(ACTIVE)
            flock.wait_begun()
            flock.d.write_rule("r.yaml", RULES.replace("mode: disabled", "mode: active")
                               .replace("CHILD", os.path.join(flock.box, "child"))
                               .replace("BOX", flock.box))
            flock.d.ctl("reload")
            ended = "SELECT d.due_ms, a.started FROM decision d JOIN attempt a" \
                " ON a.run=d.run WHERE d.rule='tick' AND a.state='completed' ORDER BY 1"
            flock.d.wait(lambda: len(flock.rows(ended)) >= TICKS, "ticks", 120)
            rows = flock.rows(ended)
            self.assertEqual(list(range(rows[0][0], rows[-1][0] + 1, 1000)),
                             [due for due, _ in rows])
            lags = sorted(started - due for due, started in rows)
            print(f"# note: due time to process with {ACTIVE} active runs: median "
                  f"{statistics.median(lags):.0f} ms, longest {lags[-1]} ms of {len(rows)}",
                  flush=True)
            flock.d.ctl("pause", "tick")
            flock.d.ctl("abort", "--all", seconds=300)
            flock.d.wait(lambda: not flock.d.steps(), "nothing lives", 300)


if __name__ == "__main__":
    unittest.main()
