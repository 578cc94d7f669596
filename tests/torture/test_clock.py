"""Clocks that jump, change to summer time and stop: promise G7 and the timers.

The daemon's clocks are moved while it runs (harness/clock.py).  What is due is computed
here by counting minutes through zoneinfo; the daemon searches a calendar.  What becomes
of it is the rule of the documents, stated again in Oracle: a due time that is more than
a minute late is missed, catch_up says what is made up for, a deadline ends it, and what
was skipped is open again when the clock goes back before it.

A jump is never waited out: the kernel tells of it, and at once after it the rows come.
"""
import datetime
import sqlite3
import time
import unittest
import zoneinfo

from harness import ClockDaemon, Mosquitto, Timeout
from harness.torture import FULL, count, rng

SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
SOON = 20                       # real seconds for the rows of a jump
FREEZE = count(3, 30)           # real seconds of SIGSTOP
JUMPS = count(8, 60)            # of the random walk
PIPELINE = 'pipelines: [{name: p, steps: [{name: a, command: ["true"]}]}]\n'


def ms(text):
    """Of 2026-03-29T01:00:00, in UTC."""
    return int(datetime.datetime.fromisoformat(text + "+00:00").timestamp()) * 1000


def local(t, zone):
    return datetime.datetime.fromtimestamp(t / 1000, zone).replace(tzinfo=None)


def every(step):
    return lambda a, b: range((a // step + 1) * step, b + 1, step)


def minutes_past(minute, zone=datetime.timezone.utc):
    """`M * * * *`: each instant whose local minute is M."""
    def due(a, b):
        return [t for t in every(MINUTE)(a, b) if local(t, zone).minute == minute]
    return due


def daily(hour, minute, zone):
    """`M H * * *`: the first instant of each local date at or after that time, which is
    the next one where it is missing, and the first where there are two."""
    def due(a, b):
        found, past = [], {}
        for t in every(MINUTE)(a - 26 * HOUR, b):
            when = local(t, zone)
            if (when.hour, when.minute) >= (hour, minute) and when.date() not in past:
                past[when.date()] = t
                # The first date may have begun before we looked.
                if t > a and len(past) > 1:
                    found.append(t)
        return found
    return due


class Oracle:
    """One schedule: what its rows must be after each time that somebody looks."""

    def __init__(self, due, begun, catch_up="last", deadline=0):
        self.due, self.begun, self.catch_up, self.deadline = due, begun, catch_up, deadline
        self.fired, self.skipped, self.looked = set(), {}, begun
        self.shut = set()               # skipped, and the clock was not before it since
        self.low = begun                # the earliest that the clock has been

    def look(self, wall):
        self.shut = {t for t in self.shut if t <= wall}
        self.low = min(self.low, wall)
        late = [t for t in self.due(self.low, wall)
                if t not in self.fired and t not in self.shut]
        for t in late:
            if self.deadline and wall - t > self.deadline:
                why = "deadline"
            elif wall - t <= MINUTE or self.catch_up == "all":
                why = None
            else:
                why = None if self.catch_up == "last" and t == late[-1] else "missed"
            if why:
                self.skipped[t] = f"skipped({why})"
                self.shut.add(t)
            else:
                self.fired.add(t)
                self.skipped.pop(t, None)

    def rows(self):
        return {**self.skipped, **{t: "fired" for t in self.fired}}


class Clocks(unittest.TestCase):
    def rows(self, d, sql, *args):
        db = sqlite3.connect(f"file:{d.database}?mode=ro", uri=True)
        try:
            return db.execute(sql, args).fetchall()
        finally:
            db.close()

    def dues(self, d, rule):
        return {t: o.replace("observed", "fired") for t, o in self.rows(
            d, "SELECT due_ms, outcome FROM due JOIN rule ON rule.id=due.rule"
               " WHERE rule.name=?", rule)}

    def wait_dues(self, d, oracles, what):
        """The rows of each schedule, soon, and each that fired has one decision."""
        for name, oracle in oracles.items():
            want = oracle.rows()
            try:
                d.wait(lambda n=name, w=want: self.dues(d, n) == w, what, SOON)
            except Timeout:
                have = self.dues(d, name)
                differ = [(local(t, datetime.timezone.utc).isoformat(), want.get(t),
                           have.get(t)) for t in sorted({*want, *have})
                          if want.get(t) != have.get(t)]
                self.fail(f"{name}, {what}: (due, expected, found) {differ[:10]}")
            fired = self.rows(d, "SELECT due_ms, sum(count) FROM decision WHERE rule=? AND"
                                 " outcome IN ('fired','observed') GROUP BY 1", name)
            self.assertEqual({t: 1 for t in oracle.fired}, dict(fired), f"{name}, {what}")

    # ---- jumps of the wall clock ----

    RULES = """
rules:
  - {name: none, schedule: {cron: "* * * * *", catch_up: none}, mode: observe, run: p}
  - {name: last, schedule: {cron: "* * * * *"}, run: p}
  - {name: all, schedule: {cron: "* * * * *", catch_up: all, deadline: 30m}, mode: observe,
     run: p}
  - {name: each, schedule: {every: 10m, catch_up: all}, run: p}
  - {name: tens, schedule: {every: 10m, catch_up: none}, mode: observe, run: p}
  - {name: mark, on: {type: mark}, mode: observe, run: p}
""" + PIPELINE

    def oracles(self, begun):
        return {"none": Oracle(every(MINUTE), begun, "none"),
                "last": Oracle(every(MINUTE), begun, "last"),
                "all": Oracle(every(MINUTE), begun, "all", 30 * MINUTE),
                "each": Oracle(every(10 * MINUTE), begun, "all"),
                "tens": Oracle(every(10 * MINUTE), begun, "none")}

    def jump(self, d, oracles, wall, what):
        for o in oracles.values():
            o.look(d.wall())            # what came by itself meanwhile
        d.set_wall(wall)
        self.see_wall(d)
        for o in oracles.values():
            o.look(wall)
        self.wait_dues(d, oracles, what)

    def see_wall(self, d):
        """A step of which no turn was in time to know would not have been."""
        d.ctl("get", "sources")         # answered by the loop, which turns before it sleeps
        d.ctl("get", "sources")

    def test_wall_jumps_by_an_hour(self):
        at = ms("2026-06-10T10:20:30")
        with ClockDaemon(at, rules={"r.yaml": self.RULES}) as d:
            oracles = self.oracles(at)
            self.jump(d, oracles, at + HOUR, "an hour forth")
            self.jump(d, oracles, at, "and back")
            self.jump(d, oracles, at + 35 * SECOND, "the next minute, again")
            self.jump(d, oracles, at + 31 * MINUTE, "half an hour, again")
            self.jump(d, oracles, at + HOUR + MINUTE, "beyond where it was")
            # No more than 100 rows of skipped due times are written for one input.
            self.jump(d, oracles, at + 150 * MINUTE, "a long one forth")
            self.jump(d, oracles, at + 90 * MINUTE, "an hour back")
            self.jump(d, oracles, at + 151 * MINUTE, "over the same hour")

    def test_each_jump_is_heard(self):
        """Without being told, the daemon looks at its clock now and then: all of these
        together take it minutes."""
        at, jumps = ms("2026-06-10T10:20:05"), 20
        with ClockDaemon(at, rules={"r.yaml": self.RULES}) as d:
            end = time.monotonic() + 40
            for i in range(1, jumps + 1):
                d.set_wall(at + i * 10 * MINUTE)
                d.wait(lambda n=i: len(self.dues(d, "each")) == n, f"jump {i}",
                       end - time.monotonic())

    def test_wall_jumps_while_the_daemon_is_down(self):
        at = ms("2026-06-10T10:20:30")
        with ClockDaemon(at, rules={"r.yaml": self.RULES},
                         config={"clock": {"wait": "100ms"}}) as d:
            oracles = self.oracles(at)
            for wall, what in [(at + HOUR, "an hour forth"), (at, "an hour back"),
                               (at + 35 * SECOND, "the next minute, again"),
                               (at + HOUR + MINUTE, "beyond")]:
                for o in oracles.values():
                    o.look(d.wall())
                d.kill9()
                d.set_wall(wall)
                d.start()
                for o in oracles.values():
                    o.look(wall)
                self.wait_dues(d, oracles, f"{what}, while it was down")

    def test_a_clock_that_was_ahead_at_the_first_start(self):
        """Nothing of the day before the correction was ever decided: it is due."""
        at = ms("2098-06-10T10:20:30")
        with ClockDaemon(at, rules={"r.yaml": self.RULES}) as d:
            begun = ms("2026-06-10T10:20:30")
            d.set_wall(begun)
            self.see_wall(d)
            oracles = self.oracles(begun)
            self.jump(d, oracles, begun + 35 * SECOND, "the next minute")
            self.jump(d, oracles, begun + 70 * MINUTE, "an hour")

    def test_a_random_walk_of_the_wall(self):
        random, at = rng("clock"), ms("2026-06-10T10:20:30")
        with ClockDaemon(at, rules={"r.yaml": self.RULES},
                         config={"clock": {"wait": "0s"}}) as d:
            oracles, wall = self.oracles(at), at
            for i in range(JUMPS):
                # Within 95 minutes: one input writes a hundred skipped rows at most.  Not
                # near a whole minute, where "late by a minute" is decided by a hair.
                wall = at + random.randrange(0, 95) * MINUTE \
                    + random.randrange(-20, 20) * SECOND
                if random.random() < 0.2:
                    # That the clock went back is state like any other: a kill before
                    # its commit takes it along.
                    self.post(d, "mark", f"mark{i}")
                    for o in oracles.values():
                        o.look(d.wall())
                    d.kill9()
                    d.set_wall(wall)
                    d.start()
                self.jump(d, oracles, wall, f"jump {i}")

    # ---- summer time ----

    DST = """
rules:
  - {name: daily, schedule: {cron: "30 2 * * *", timezone: Europe/Berlin, catch_up: all},
     run: p}
  - {name: hourly, schedule: {cron: "0 * * * *", timezone: Europe/Berlin, catch_up: all},
     mode: observe, run: p}
  - {name: half, schedule: {cron: "30 * * * *", timezone: Europe/Berlin, catch_up: none},
     mode: observe, run: p}
""" + PIPELINE

    def dst_oracles(self, begun):
        return {"daily": Oracle(daily(2, 30, BERLIN), begun, "all"),
                "hourly": Oracle(minutes_past(0, BERLIN), begun, "all"),
                "half": Oracle(minutes_past(30, BERLIN), begun, "none")}

    def walk(self, begun, end):
        """A second before each instant the clock is set; the instant comes by itself."""
        with ClockDaemon(begun, rules={"r.yaml": self.DST}) as d:
            oracles = self.dst_oracles(begun)
            stops = sorted({t for o in oracles.values() for t in o.due(begun, end)})
            for t in stops:
                self.jump(d, oracles, t - SECOND, "before")
                for o in oracles.values():
                    o.look(t)
                self.wait_dues(d, oracles, local(t, BERLIN).isoformat())
            return oracles["daily"].fired

    def test_spring_the_missing_time_moves(self):
        night = (ms("2026-03-29T00:10:00"), ms("2026-03-29T02:40:00"))
        days = (ms("2026-03-28T00:10:00"), ms("2026-03-30T01:10:00"))
        fired = self.walk(*(days if FULL else night))
        self.assertIn(ms("2026-03-29T01:00:00"), fired)         # 03:00, the next there is
        self.assertEqual(3 if FULL else 1, len(fired))

    def test_autumn_the_time_that_is_there_twice_fires_once(self):
        night = (ms("2026-10-24T23:50:00"), ms("2026-10-25T02:10:00"))
        days = (ms("2026-10-24T00:10:00"), ms("2026-10-26T02:10:00"))
        fired = self.walk(*(days if FULL else night))
        self.assertIn(ms("2026-10-25T00:30:00"), fired)         # the first of the two
        self.assertEqual(3 if FULL else 1, len(fired))

    def test_both_changes_while_the_daemon_is_down(self):
        for begun, end in [("2026-03-28T20:10:00", "2026-03-29T09:40:10"),
                           ("2026-10-24T20:10:00", "2026-10-25T09:40:10")]:
            begun, end = ms(begun), ms(end)
            with ClockDaemon(begun, rules={"r.yaml": self.DST}) as d:
                d.kill9()
                d.set_wall(end)
                d.start()
                oracles = self.dst_oracles(begun)
                for o in oracles.values():
                    o.look(end)
                self.wait_dues(d, oracles, "after the night")
                self.assertEqual(1, len(oracles["daily"].fired))

    # ---- durations run on tick ----

    TICKS = """
rules:
  - {name: mark, on: {type: mark}, mode: observe, run: p}
  - {name: cool, on: {type: cool}, cooldown: 1h, run: p}
  - {name: back, on: {type: back}, backoff: {initial: 1h}, run: bad}
  - name: hot
    on: {type: metric}
    signals: {v: {value: data.v, last: 1}}
    when: v.last > 5.0
    for: 20m
    run: p
  - {name: long, on: {type: long}, run: long}
pipelines:
  - {name: p, steps: [{name: a, command: ["true"]}]}
  - {name: bad, steps: [{name: a, command: ["false"]}]}
  - {name: long, steps: [{name: a, command: [sleep, "600"], timeout: 30m}]}
"""

    def post(self, d, type_, id_, **data):
        status, answer = d.post_event(type_, data, id_)
        self.assertEqual(202, status, answer)

    def fates(self, d, rule):
        return [o if o == "fired" else by for o, by in self.rows(
            d, "SELECT outcome, suppressor FROM decision WHERE rule=? ORDER BY id", rule)]

    def test_durations_go_with_elapsed_time_not_with_the_wall(self):
        at = ms("2026-06-10T10:20:30")
        with ClockDaemon(at, rules={"r.yaml": self.TICKS}) as d:
            for type_ in ("cool", "back", "long"):
                self.post(d, type_, type_ + "0")
            self.post(d, "metric", "m0", v=9)
            d.wait_runs(1, state="failed", pipeline="bad")
            d.wait_runs(1, state="running", pipeline="long")
            for i, wall in enumerate((at + 3 * HOUR, at - 5 * HOUR, at)):
                d.set_wall(wall)
                for type_ in ("cool", "back"):
                    self.post(d, type_, f"{type_}-step{i}")
                # Once this is answered, whatever is due at that wall was taken.
                self.post(d, "mark", f"mark-step{i}")
                self.post(d, "mark", f"mark-again{i}")
            self.assertEqual(["fired"] + 3 * ["cooldown"], self.fates(d, "cool"))
            self.assertEqual(["fired"] + 3 * ["backoff"], self.fates(d, "back"))
            self.assertEqual([], self.fates(d, "hot"))
            self.assertEqual(1, len(d.runs(state="running", pipeline="long")))
            # A night's sleep is time that has passed, and nothing wakes us but the clock.
            d.suspend(25 * 60)
            d.wait(lambda: self.fates(d, "hot") == ["fired"], "`for` is over", SOON)
            self.assertEqual(1, len(d.runs(state="running", pipeline="long")))
            d.suspend(10 * 60)
            ended = d.wait_runs(1, SOON, state="failed", pipeline="long")
            self.assertIn("timeout", ended[0]["reason"])
            d.suspend(30 * 60)
            for type_ in ("cool", "back"):
                self.post(d, type_, type_ + "-after")
            self.assertEqual("fired", self.fates(d, "cool")[-1])
            self.assertEqual("fired", self.fates(d, "back")[-1])

    def test_a_suspended_machine_finds_its_due_times(self):
        at = ms("2026-06-10T10:20:30")
        with ClockDaemon(at, rules={"r.yaml": self.RULES}) as d:
            oracles = self.oracles(at)
            for o in oracles.values():
                o.look(d.wall())
            d.suspend(3600)
            for o in oracles.values():
                o.look(d.wall())
            self.wait_dues(d, oracles, "an hour's sleep")

    # ---- a process that is stopped ----

    STOPPED = """
rules:
  - {name: all, schedule: {every: 1s, catch_up: all}, run: p}
  - {name: late, schedule: {every: 1s, catch_up: all, deadline: 2s}, mode: observe, run: p}
  - {name: seen, on: {type: seen}, mode: observe, run: p}
  - {name: again, on: {type: again}, run: again}
pipelines:
  - {name: p, steps: [{name: a, command: ["true"]}]}
  - name: again
    steps: [{name: a, command: [sh, -c, "exit 7"], retry: {attempts: 2, backoff: 1s}}]
"""

    def test_a_stopped_process_loses_nothing(self):
        """SIGSTOP while events come, seconds pass, a step ends and a retry is due."""
        with Mosquitto() as m, ClockDaemon(rules={"r.yaml": self.STOPPED}, sources=[
                {"name": "sensors", "kind": "mqtt", "url": m.url, "topics": ["seen"],
                 "map": {"type": "topic", "id": "string(body.n)", "data": "body"}}]) as d:
            d.wait_connected("sensors")
            d.wait(lambda: self.dues(d, "all"), "the first second")
            self.post(d, "again", "again0")
            d.freeze()
            frozen = d.wall()
            m.publish_lines("seen", [f'{{"n": {n}}}' for n in range(100)])
            # How long it is stopped is what the test is about, not a wait.
            time.sleep(FREEZE)
            thawed = d.wall()
            d.thaw()
            d.wait(lambda: len(self.fates(d, "seen")) == 100, "every event is decided", 60)
            d.wait(lambda: max(self.dues(d, "all")) > thawed, "the seconds go on")
            run = d.wait_runs(1, state="failed", pipeline="again")[0]
            self.assertEqual([7, 7], [a["exit_code"] for a in
                                      d.ctl_json("describe", run["id"])["attempts"]])
            d.ctl("pause", "all")
            d.ctl("pause", "late")
            self.check_seconds(d, frozen, thawed)

    def check_seconds(self, d, frozen, thawed):
        for name in ("all", "late"):
            dues = self.dues(d, name)
            self.assertEqual(list(range(min(dues), max(dues) + 1, 1000)), sorted(dues))
            decided = self.rows(d, "SELECT due_ms, sum(count) FROM decision WHERE rule=? AND"
                                   " outcome IN ('fired','observed') GROUP BY 1", name)
            self.assertEqual({t: 1 for t, o in dues.items() if o == "fired"}, dict(decided))
        self.assertEqual({"fired"}, set(self.dues(d, "all").values()))
        late = self.dues(d, "late")
        old = [t for t in late if frozen < t < thawed - 2 * SECOND]
        self.assertTrue(old or not FULL)
        self.assertEqual({"skipped(deadline)"} if old else set(), {late[t] for t in old})
        back = [t for t, in self.rows(
            d, "SELECT time FROM decision WHERE rule='all' AND due_ms BETWEEN ? AND ?",
            frozen, thawed)]
        print(f"# note: {len(back)} due times of {FREEZE} s stopped were decided within "
              f"{max(back) - thawed} ms of the resume", flush=True)


if __name__ == "__main__":
    unittest.main()
