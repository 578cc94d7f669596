"""The recorded past: decided again it is the same, whatever ended the process meanwhile."""
import json
import sqlite3
import unittest
from datetime import datetime, timedelta, timezone

from harness import Daemon, KafkaMock, Mosquitto

RULES = """
rules:
  - name: drift
    on: {type: metric, key: event.subject}
    signals:
      v: {value: data.v, over: 1h, min_count: 3}
      n: {over: 10m}
    when: v.avg > 10.0 && n.count >= 2
    recover: v.avg < 5.0
    cooldown: 2s
    run: {pipeline: train, params: {key: "${key}"}}
  - name: held
    on: {type: metric, key: event.subject}
    signals: {v: {value: data.v, over: 1h}}
    when: v.max > 15.0
    for: 1s
    run: {pipeline: train, params: {key: held}}
  - name: often
    schedule: {every: 1s}
    run: noop
  - name: after
    on: {type: retraind.run.completed, where: data.pipeline == "train"}
    run: noop
  - {name: each, on: ping, cooldown: 1s, run: noop}
pipelines:
  - name: train
    params: {key: {type: string}}
    steps: [{name: a, command: ["true"]}]
  - {name: noop, steps: [{name: a, command: ["true"]}]}
"""
# Nothing that depends on when an event arrives.
TIMELESS = """
rules:
  - name: drift
    on: {type: metric, key: event.subject}
    signals: {v: {value: data.v, over: 1h, min_count: 3}, n: {over: 2h}}
    when: v.avg > 10.0 && n.count >= 4
    recover: v.avg < 9.0
    run: noop
  - name: shifted
    on: {type: metric, key: event.subject}
    signals:
      v: {value: data.v, detect: {cusum: {expected_run: 1000}}, baseline: {n: 500, mean: 3, sd: 4}}
      w: {value: data.v, over: 20m}
    when: v.drift && w.avg > 4.0
    run: noop
  - {name: once, on: ping, dedupe: {key: data.n, for: 7d}, run: noop}
pipelines: [{name: noop, steps: [{name: g, gate: "true"}]}]
"""


def metric(n, v, key="a", **more):
    return {"specversion": "1.0", "id": f"m{n}", "source": "/t", "type": "metric",
            "subject": key, "data": {"v": v}, **more}


class Verify(unittest.TestCase):
    def replay(self, d, *args, expect=0):
        return d.ctl("replay", "--verify", "--dir", d.dir, *args, expect=expect).stdout

    def feed(self, d, m, n):
        """A few of each kind, over both sources, in the middle of every window."""
        for i in range(n, n + 6):
            d.post_event("metric", {"v": 4 * (i % 6)}, f"m{i}", "ab"[i % 2])
            m.publish("t/m", json.dumps(metric(f"q{i}", 2 * i, "c")))
        d.post_event("ping", {}, f"p{n}")
        d.post_event("ping", {}, f"p{n}")       # a repeat: no input
        taken = 'retraind_events_total{source="s",outcome="accepted"}'
        d.wait(lambda: d.metrics()[taken] >= 6, "mqtt's are decided")

    def test_same_after_kills(self):
        source = {"name": "s", "kind": "mqtt", "topics": ["t/#"]}
        with Mosquitto() as m:
            source["url"] = f"mqtt://127.0.0.1:{m.port}"
            with Daemon(rules={"r.yaml": RULES}, sources=[source]) as d:
                for round_ in range(4):
                    d.wait_connected("s")
                    self.feed(d, m, 10 * round_)
                    if round_ == 2:     # other rules while things are pending
                        d.write_rule("r.yaml", RULES.replace("> 10.0", "> 8.0"))
                        d.ctl("reload")
                    d.kill9()
                    d.start()
                # event time moves the rule's clock: what waited is due
                later = (datetime.now(timezone.utc) + timedelta(seconds=5)).strftime(
                    "%Y-%m-%dT%H:%M:%SZ")
                d.post_event("metric", {"v": 0}, "last", "z", time=later)
                m.publish("t/m", json.dumps(metric("last", 0, "z", time=later)))
                d.wait(lambda: len(d.decisions(rule="held")) >= 1, "a wait came due")
                d.wait(lambda: len(d.decisions(rule="often")) >= 4, "schedules")
                self.assertIn("every decision is the same", self.replay(d))
                d.term()
                text = self.replay(d)
                self.assertIn("every decision is the same", text)
                told = json.loads(self.replay(d, "-o", "json"))
                with sqlite3.connect(d.database) as db:
                    stored = db.execute("SELECT count(*) FROM decision").fetchone()[0]
                self.assertEqual(told["decisions"], stored)
                self.assertGreater(stored, 10)
                self.check_differences(d)
                d.start()

    def check_differences(self, d):
        """A changed, a missing and an invented row are each named."""
        db = sqlite3.connect(d.database, isolation_level=None)
        row = db.execute("SELECT id,trace FROM decision WHERE rule='drift' AND outcome="
                         "'fired' ORDER BY id DESC LIMIT 1").fetchone()
        db.execute("UPDATE decision SET trace=replace(trace,'true','false') WHERE id=?",
                   row[:1])
        text = self.replay(d, expect=1)
        self.assertIn(f"decision {row[0]} of rule drift key ", text)
        self.assertIn("differs in its trace", text)
        db.execute("UPDATE decision SET trace=?2,outcome='observed' WHERE id=?1", row)
        told = json.loads(self.replay(d, "-o", "json", expect=1))["difference"]
        self.assertEqual(told, {"decision": row[0], "field": "outcome",
                                "stored": "observed", "again": "fired"})
        db.execute("UPDATE decision SET outcome='fired' WHERE id=?", row[:1])
        db.execute("CREATE TEMP TABLE kept AS SELECT * FROM decision WHERE id=?", row[:1])
        db.execute("DELETE FROM decision WHERE id=?", row[:1])
        told = json.loads(self.replay(d, "-o", "json", expect=1))["difference"]
        self.assertEqual((told["decision"], told["stored"]), (row[0], "is not there"))
        db.execute("INSERT INTO decision SELECT * FROM kept")
        db.execute("UPDATE kept SET id=(SELECT max(id)+1 FROM decision), seq=(SELECT"
                   " max(seq) FROM decision)")
        db.execute("INSERT INTO decision SELECT * FROM kept")
        told = json.loads(self.replay(d, "-o", "json", expect=1))["difference"]
        self.assertEqual(told["again"], "was not made")
        db.execute("DELETE FROM decision WHERE id=(SELECT id FROM kept)")
        db.close()
        self.assertIn("every decision is the same", self.replay(d))

    def test_another_build_is_named_first(self):
        with Daemon(rules={"r.yaml": TIMELESS}) as d:
            d.post_event("ping", {"n": 1}, "p1")
            d.wait(lambda: len(d.decisions()) == 1, "decided")
            d.term()
            with sqlite3.connect(d.database) as db:     # as if another had started it
                db.execute("UPDATE snap SET fingerprint='retraind 0.0.0'")
            text = self.replay(d, expect=1)
            self.assertTrue(text.startswith("another build or machine decided"), text)
            self.assertIn("then: retraind 0.0.0", text)
            self.assertIn("every decision is the same", self.replay(d, "--any-build"))
            d.start()

    def test_outside_of_the_span(self):
        with Daemon(rules={"r.yaml": TIMELESS}) as d:
            done = d.ctl("replay", "--verify", "--dir", d.dir, "--from",
                         "2001-01-01T00:00:00Z", expect=1)
            self.assertIn("is outside of what the journal covers", done.stderr)
            self.assertIn("--from-file", done.stderr)


class Continued(unittest.TestCase):
    """kill -9 mid-window, restart, continue: the same decisions as without the kill."""

    def decided(self, kills):
        with Daemon(rules={"r.yaml": TIMELESS}) as d:
            for n in range(60):
                time = f"2026-03-01T{n // 60:02}:{n % 60:02}:00Z"
                v = 20 if (n // 15) % 2 else 2
                d.http("POST", "/api/v1/events", metric(n, v, "ab"[n % 3 == 0], time=time),
                       {"Content-Type": "application/cloudevents+json"})
                if n % 7 == 0:
                    d.post_event("ping", {"n": n % 2}, f"p{n}")
                if n in kills:
                    d.kill9()
                    d.start()
            rows = d.ctl_json("get", "decisions", "--limit", "1000")
            return [[r[k] for k in ("id", "rule", "key", "outcome", "suppressor", "event",
                                    "reason", "run")] for r in rows]

    def test_same_decisions(self):
        without = self.decided(())
        self.assertGreater(len(without), 8)
        for rule in ("drift", "shifted"):
            self.assertIn("fired", [r[3] for r in without if r[1] == rule])
        # 16: for both keys the detector is on its way to the limit
        self.assertEqual(self.decided((3, 16, 17, 18, 33, 48)), without)


class Explain(unittest.TestCase):
    RULES = """
rules:
  - name: drift
    on: {type: metric, where: data.name == "psi", key: event.subject}
    signals: {v: {value: data.v, over: 1h, min_count: 2}}
    when: v.avg > 10.0
    recover: v.avg < 9.0
    run: noop
  - {name: big, on: {type: data, subject: x}, when: data.rows > 5, run: noop}
  - {name: off, on: metric, mode: disabled, run: noop}
  - {name: nightly, schedule: {cron: "0 2 * * *"}, run: noop}
pipelines: [{name: noop, steps: [{name: g, gate: "true"}]}]
"""

    def setUp(self):
        self.daemon = Daemon(rules={"r.yaml": self.RULES})
        self.d = self.daemon.__enter__()
        for n, v in enumerate((2, 3, 30, 40, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)):
            self.d.post_event("metric", {"name": "psi", "v": v}, f"m{n}", "a")
            if n == 2:
                self.before = self.moment()
            if n == 3:
                self.fired = self.moment()

    def tearDown(self):
        self.daemon.__exit__(None, None, None)

    def moment(self):
        """An instant after everything up to now, and before anything later."""
        at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        self.d.wait(lambda: datetime.now(timezone.utc).strftime(
            "%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z" > at, "the clock goes on")
        return at

    def rules(self, told):
        return {r["rule"]: r for r in told["rules"]}

    def test_at_a_time(self):
        d = self.d
        now = d.ctl_json("explain", "drift", "-k", "a")
        self.assertEqual(now["state"]["state"], "inactive")
        then = d.ctl_json("explain", "drift", "-k", "a", "--at", self.fired)
        self.assertEqual(then["state"]["state"], "firing")
        self.assertEqual(then["time"], self.fired)
        self.assertEqual(then["signals"]["v"]["count"], 4)
        self.assertLessEqual(then["span"]["from"], self.fired)
        then = d.ctl_json("explain", "drift", "-k", "a", "--at", self.before)
        self.assertEqual(then["signals"]["v"]["count"], 3)
        # the same without the daemon
        d.term()
        direct = d.ctl_json("explain", "drift", "-k", "a", "--at", self.before, "--state",
                            d.state_dir, "--dir", d.dir)
        self.assertEqual({k: v for k, v in direct.items() if k != "span"},
                         {k: v for k, v in then.items() if k != "span"})
        text = d.ctl("explain", "drift", "-k", "a", "--at", self.fired, "--state",
                     d.state_dir, "--dir", d.dir).stdout
        self.assertTrue(text.startswith("covered: "), text)
        self.assertIn("v.avg > 10.0", text)
        d.start()

    def test_outside(self):
        done = self.d.ctl("explain", "drift", "-k", "a", "--at", "2001-01-01T00:00:00Z",
                          expect=1)
        self.assertIn("outside of what the journal covers", done.stderr)
        self.assertIn("--from-file", done.stderr)
        done = self.d.ctl("explain", "nothing", "--at", self.before, expect=1)
        self.assertIn("no rule 'nothing'", done.stderr)

    def test_an_event(self):
        d = self.d
        told = d.ctl_json("explain", "--event", "m2")
        self.assertEqual(told["event"]["id"], "m2")
        rules = self.rules(told)
        self.assertEqual(rules["drift"]["outcome"], "fired")
        self.assertEqual(rules["drift"]["trace"]["outcome"], "fired")
        self.assertEqual(rules["drift"]["key"], "a")
        self.assertEqual(rules["big"]["why"], "type 'metric' is not 'data'")
        self.assertEqual(rules["off"]["why"], "it matches, and the rule is disabled")
        self.assertNotIn("nightly", rules)
        # long ago, and it decided nothing: evaluated from the state of then
        told = d.ctl_json("explain", "drift", "--event", "m1")
        self.assertEqual([r["rule"] for r in told["rules"]], ["drift"])
        self.assertEqual(told["rules"][0]["outcome"], "none")
        self.assertEqual(told["rules"][0]["trace"]["signals"]["v"]["count"], 2)
        text = d.ctl("explain", "--event", "m2").stdout
        self.assertIn("drift: takes it, key a: fired", text)
        self.assertIn("big: not taken: type 'metric' is not 'data'", text)
        self.assertIn("no event 'm99' is in the journal",
                      d.ctl("explain", "--event", "m99", expect=1).stderr)

    def emit(self, *args, **data):
        return self.rules(self.d.ctl_json("events", "emit", "--explain", *args, "-d",
                                          json.dumps(data)))

    def test_an_event_not_yet_sent(self):
        d = self.d
        before = d.ctl_json("get", "decisions")
        rules = self.emit("-t", "metric", "-s", "b", name="auc", v=1)
        self.assertEqual(rules["drift"]["why"], 'where is false: data.name "auc" == "psi"')
        rules = self.emit("-t", "metric", "-s", "a", name="psi", v=1000)
        self.assertEqual(rules["drift"]["outcome"], "fired")
        self.assertEqual(rules["big"]["matched"], False)
        rules = self.emit("-t", "data", "-s", "x", rows=5)
        self.assertEqual(rules["big"]["outcome"], "none")
        self.assertIn("data.rows", rules["big"]["trace"]["why"])
        self.assertEqual(rules["drift"]["why"], "type 'data' is not 'metric'")
        rules = self.emit("-t", "metric", name="psi", v=1)
        self.assertTrue(rules["drift"]["why"].startswith("key gives"), rules["drift"])
        self.assertEqual(d.ctl_json("get", "decisions"), before)    # nothing was sent
        done = d.ctl("events", "emit", "--explain", "-t", "", "-d", "{}", expect=1)
        self.assertIn("it would be refused", done.stderr)


class Backfill(unittest.TestCase):
    """Due times of before the rule was there: decided once, however often it is asked."""
    RULES = """
rules:
  - {name: fives, schedule: {cron: "*/5 * * * *"}, run: {pipeline: noop, params: {n: 1}}}
  - {name: each, on: ping, run: {pipeline: noop, params: {n: 2}}}
pipelines:
  - {name: noop, params: {n: {type: int}}, steps: [{name: g, gate: "params.n < 5"}]}
"""

    def test_once(self):
        with Daemon(rules={"r.yaml": self.RULES}) as d:
            now = datetime.now(timezone.utc)
            begin, end = ((now - timedelta(hours=h)).strftime("%Y-%m-%dT%H:%M:%SZ")
                          for h in (2, 1))
            args = ["backfill", "fives", "--from", begin, "--to", end]
            dry = d.ctl_json(*args, "--dry-run")
            self.assertEqual(len(dry["due"]), 12)
            self.assertFalse(dry["more"])
            self.assertEqual(d.runs(), [])
            two = d.ctl_json(*args, "--limit", "2")
            self.assertEqual(two["fired"], 2)
            self.assertEqual([x["due"] for x in two["decisions"]], dry["due"][:2])
            rest = d.ctl_json(*args)
            self.assertEqual([x["due"] for x in rest["decisions"]], dry["due"][2:])
            self.assertEqual(len(d.runs()), 12)
            # a repeat does nothing, and a restart forgets nothing
            d.kill9()
            d.start()
            self.assertEqual(d.ctl_json(*args)["decisions"], [])
            self.assertIn("0 due times would be decided, 12 fired already",
                          d.ctl(*args, "--dry-run").stdout)
            self.assertEqual(len(d.runs()), 12)
            self.assertEqual(d.ctl_json(*args, "--reprocess", "failed")["fired"], 0)
            self.assertEqual(d.ctl_json(*args, "--reprocess", "all")["fired"], 12)
            rows = d.ctl_json("get", "decisions", "--rule", "fives")
            self.assertEqual(sorted({r["due"] for r in rows}), dry["due"])
            # what is about to come is the schedule's own
            self.assertEqual(d.ctl_json("backfill", "fives", "--from", "1m")["decisions"],
                             [])
            self.assertIn("no rule 'x'", d.ctl("backfill", "x", "--from", "1h",
                                               expect=1).stderr)
            self.assertIn("every decision is the same",
                          d.ctl("replay", "--verify", "--dir", d.dir).stdout)
            self.assertIn("backfill", [a["verb"] for a in d.ctl_json("get", "audit")])


class BackfillEvents(unittest.TestCase):
    """Events that came before their rule was there: each once, however often asked."""
    BEFORE = """
rules:
  - {name: other, on: pong, run: noop}
  - name: windows
    on: {type: ping, key: data.k}
    signals: {v: {value: data.n, over: 1h}}
    when: v.avg > 100.0
    run: noop
pipelines:
  - {name: noop, params: {n: {type: int, default: 0}}, steps: [{name: g, gate: "params.n < 5"}]}
"""
    RULE = """
  - name: each
    on: {type: ping, key: data.k, where: data.n != 3}
    when: data.n != 4
    dedupe: {key: data.n, for: 7d}
    run: {pipeline: noop, params: {n: "${data.n}"}}
"""

    def test_once(self):
        with Daemon(rules={"r.yaml": self.BEFORE}) as d:
            begin = datetime.now(timezone.utc).isoformat()
            for n in range(7):
                d.post_event("ping", {"n": n % 6, "k": "ab"[n % 2]}, f"p{n}")
            d.post_event("pong", {}, "x")
            d.wait(lambda: len(d.runs()) == 1, "decided")
            args = ["backfill", "each", "--from", begin]
            self.assertIn("no rule 'each'", d.ctl(*args, expect=1).stderr)
            d.write_rule("r.yaml", self.BEFORE.replace("pipelines:",
                                                       self.RULE + "pipelines:"))
            d.ctl("reload")
            dry = d.ctl_json(*args, "--dry-run")
            self.assertEqual([e["event"] for e in dry["would"]],
                             ["p0", "p1", "p2", "p4", "p5", "p6"])
            self.assertEqual([e["key"] for e in dry["would"]], list("abaaba"))
            self.assertEqual(len(d.runs()), 1)
            two = d.ctl_json(*args, "--limit", "2")
            self.assertEqual((two["fired"], two["more"]), (2, True))
            d.kill9()
            d.start()
            rest = d.ctl_json(*args)
            self.assertEqual((rest["fired"], rest["already_fired"], rest["more"]),
                             (2, 2, False))
            self.assertEqual(rest["suppressed"], {"dedupe": 1})
            fired = [e["event"] for e in two["decisions"] + rest["decisions"]
                     if e["outcome"] == "fired"]
            self.assertEqual(fired, ["p0", "p1", "p2", "p5"])
            # a repeat fires nothing, a kill forgets nothing
            d.kill9()
            d.start()
            text = d.ctl(*args).stdout
            self.assertIn("0 fired, 4 fired already, 1 suppressed by dedupe", text)
            self.assertEqual(len(d.runs()), 5)
            # what came while the rule was there fired by itself
            d.post_event("ping", {"n": 9, "k": "a"}, "late")
            d.wait(lambda: len(d.runs()) == 6, "decided")
            self.assertEqual(d.ctl_json(*args)["already_fired"], 5)
            self.assertIn("windows of samples", d.ctl("backfill", "windows", "--from",
                                                      "1h", expect=1).stderr)
            self.assertIn("every decision is the same",
                          d.ctl("replay", "--verify", "--dir", d.dir).stdout)

    def test_failed_ones_again(self):
        rules = self.BEFORE.replace("pipelines:", self.RULE + "pipelines:").replace(
            "dedupe: {key: data.n, for: 7d}", "").replace(
            'gate: "params.n < 5"', 'command: [sh, -c, "exit ${params.n}"]')
        with Daemon(rules={"r.yaml": rules}) as d:
            begin = datetime.now(timezone.utc).isoformat()
            d.post_event("ping", {"n": 0, "k": "a"}, "good")
            d.post_event("ping", {"n": 1, "k": "a"}, "bad")
            d.wait(lambda: sorted(r["state"] for r in d.runs()) ==
                   ["completed", "failed"], "runs end")
            args = ["backfill", "each", "--from", begin]
            self.assertEqual(d.ctl_json(*args)["already_fired"], 2)
            again = d.ctl_json(*args, "--reprocess", "failed")
            self.assertEqual([e["event"] for e in again["decisions"]], ["bad"])
            self.assertEqual(d.ctl_json(*args, "--reprocess", "all")["fired"], 2)


class FromKafka(unittest.TestCase):
    """The journal keeps positions of a Kafka source: the topic is read again."""
    RULES = """
rules:
  - name: drift
    on: {type: metric, key: event.subject}
    signals: {v: {value: data.v, over: 1h}}
    when: v.max > 20.0
    run: noop
pipelines: [{name: noop, steps: [{name: g, gate: "true"}]}]
"""
    NEW = """
  - {name: each, on: {type: metric, key: event.subject, where: data.v == 3.0}, run: noop}
"""

    def test_read_again(self):
        with KafkaMock({"t": 2}) as k, Daemon(rules={"r.yaml": self.RULES}, sources=[
                {"name": "k", "kind": "kafka", "brokers": [k.bootstrap], "topics": ["t"],
                 "start": "begin"}]) as d:
            begin = datetime.now(timezone.utc).isoformat()
            for part in (0, 1):
                k.produce("t", [json.dumps(metric(f"{part}-{n}", n, f"k{part}"))
                                for n in range(30)], partition=part)
            d.wait(lambda: len(d.runs()) == 2, "both keys fire")
            verify = ["replay", "--verify", "--dir", d.dir]
            self.assertIn("every decision is the same", d.ctl(*verify).stdout)
            text = d.ctl("explain", "--event", "m1-21").stdout
            self.assertIn("drift", text)
            d.kill9()
            d.start()
            d.wait_connected("k")
            d.write_rule("r.yaml", self.RULES.replace("pipelines:",
                                                      self.NEW + "pipelines:"))
            d.ctl("reload")
            fill = ["backfill", "each", "--from", begin]
            done = d.ctl_json(*fill)
            self.assertEqual(sorted(e["event"] for e in done["decisions"]),
                             ["m0-3", "m1-3"])
            self.assertEqual(done["unread"], 0)
            self.assertEqual(d.ctl_json(*fill)["already_fired"], 2)
            self.assertIn("every decision is the same", d.ctl(*verify).stdout)
            d.term()
            for _ in range(8):      # the mock keeps 5 MB of a partition
                k.produce("t", ["x" * 900_000], partition=0)
            said = d.ctl(*verify, expect=1).stdout
            self.assertIn("t/0 at offset 0 is no longer in the topic: retention (it begins"
                          " at ", said)
            d.start()


class Lint(unittest.TestCase):
    """check --with-journal: what the recorded events say of the rules."""
    RULES = """
rules:
  - name: far
    on: {type: metric, key: event.subject}
    signals: {v: {value: data.v, over: 1h}}
    when: v.max > 100.0
    run: noop
  - {name: one, on: ping, run: noop}
  - {name: two, on: ping, when: data.n >= 0, run: other}
  - {name: three, on: ping, when: data.n > 5, run: other}
  - {name: rare, on: seldom, when: data.absent > 1, run: noop}
pipelines:
  - {name: noop, steps: [{name: g, gate: "true"}]}
  - {name: other, steps: [{name: g, gate: "true"}]}
"""

    def test_warnings(self):
        with Daemon(rules={"r.yaml": self.RULES}) as d:
            for n in range(24):
                d.post_event("metric", {"v": n + 0.5}, f"m{n}", "a")
                d.post_event("ping", {"n": n % 10}, f"p{n}")
            d.ctl("events", "emit", "-t", "seldom", "-d", "{}")     # application/json
            d.term()
            path = f"{d.dir}/checked.yaml"
            with open(path, "w", encoding="utf-8") as f:
                f.write(self.RULES)
            self.assertIn("0 warnings", d.ctl("check", path, "--dir", d.dir).stdout)
            done = d.ctl("check", path, "--dir", d.dir, "--with-journal", "--strict",
                         expect=3)
            self.assertIn("tried on 49 messages", done.stderr)
            text = done.stdout
            self.assertIn("rule 'far': 'v.max > 100.0' was never true in 24 evaluations",
                          text)
            self.assertIn("it was between 0.5 and 23.5", text)
            self.assertIn("rules 'one' and 'two' always fire together (24 times)", text)
            self.assertIn("rule 'two': 'data.n >= 0' was always true", text)
            self.assertNotIn("three", text)     # it fires sometimes: as it should
            self.assertNotIn("rare", text)      # one event says nothing
            self.assertIn("3 warnings", text)
            with open(path, "w", encoding="utf-8") as f:
                f.write(self.RULES.replace("data.n > 5", "data.m > 5"))
            text = d.ctl("check", path, "--dir", d.dir, "--with-journal").stdout
            self.assertIn("rule 'three' reads data.m, which none of the 24 events had that"
                          " it took", text)
            d.start()


if __name__ == "__main__":
    unittest.main()
