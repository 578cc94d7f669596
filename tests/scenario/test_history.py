"""The recorded past: decided again it is the same, whatever ended the process meanwhile."""
import json
import sqlite3
import unittest
from datetime import datetime, timedelta, timezone

from harness import Daemon, Mosquitto

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
        self.assertIn("fired", [r[3] for r in without if r[1] == "drift"])
        self.assertEqual(self.decided((3, 17, 18, 33, 48)), without)


if __name__ == "__main__":
    unittest.main()
