"""kill -9 under load, on every source: each event decided once, each due run there once.

The oracle computes from the input log alone what must have been decided; it shares no
code with the daemon.  One partition per topic and event-time rules, so that the order
of inputs, and with it every decision, is known.
"""
import json
import os
import random
import sqlite3
import threading
import unittest

from harness import Daemon, Mosquitto, broker

KILLS = int(os.environ.get("KILLS", "100"))
SEED = int(os.environ.get("SEED", "20261123"))
T0 = 1772336400000          # 2026-03-01T03:40:00Z
STEP_MS = 250               # of event time between two events
WINDOW_MS = 5000
TENTH = 39                  # every 39th event is due a run; odd ones fail

RULES = """
rules:
  - name: every
    description: each event leaves one decision
    on: {type: load}
    mode: observe
    run: noop
  - name: tenth
    on: {type: load, where: data.n %% %d == 0}
    backoff: off
    run: {pipeline: noop, params: {n: "${data.n}"}}
  - name: level
    on: {type: load}
    signals:
      v: {value: data.value, tumbling: %dms}
    when: v.avg > 50.0
    run: {pipeline: noop, params: {n: -2}}
pipelines:
  - name: noop
    params: {n: {type: int, default: 0}}
    steps:
      - {name: code, command: [sh, -c, "exit $(($${RETRAIN_PARAM_N#-} %% 2))"]}
""" % (TENTH, WINDOW_MS)


def iso(ms):
    s, frac = divmod(ms, 1000)
    day, rest = divmod(s, 86400)
    assert day == T0 // 86400000, "the feed stays within one day"
    return f"2026-03-01T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}.{frac:03}Z"


def feed(count, seed):
    """The input log: (n, time, value); the level wanders around 50, so that the means
    of windows cross it (20 times in 2,000 events)."""
    rng, level, out = random.Random(seed), 50.0, []
    for n in range(1, count + 1):
        level += 0.05 * (50 - level) + rng.uniform(-2, 2)
        out.append((n, T0 + n * STEP_MS, round(level, 3)))
    return out


def structured(n, time, value):
    return json.dumps({"specversion": "1.0", "id": f"e{n}", "source": "/feed",
                       "type": "load", "time": iso(time),
                       "data": {"n": n, "value": value}})


def rising_edges(log):
    """Windows [k*W, (k+1)*W) close when an event at or after their end arrives; the
    rule is true while the last closed window's mean is above 50."""
    edges, open_at, values, high = 0, None, [], False
    for _, time, value in log:
        start = time - time % WINDOW_MS
        if open_at is not None and start > open_at:
            now = sum(values) / len(values) > 50.0
            edges += now and not high
            high, values = now, []
        open_at = start
        values.append(value)
    return edges


class KillLoop(unittest.TestCase):
    def database(self, d):
        return sqlite3.connect(f"file:{d.database}?mode=ro", uri=True)

    def rows(self, d, sql, *args):
        db = self.database(d)
        try:
            return db.execute(sql, args).fetchall()
        finally:
            db.close()

    def decided(self, d):
        return self.rows(d, "SELECT count(*) FROM decision WHERE rule='every'")[0][0]

    def run_loop(self, d, send, log):
        """`send(part)` hands a slice of the log to the broker; kills fall between and
        inside the deliveries of slices of random size."""
        rng = random.Random(SEED + 1)
        cuts = sorted(rng.sample(range(1, len(log)), KILLS - 1))
        slices = [log[a:b] for a, b in zip([0, *cuts], [*cuts, len(log)])]
        for part in slices:
            sender = threading.Thread(target=send, args=(part,))
            before = self.decided(d)
            sender.start()
            # Somewhere in the middle of what it has to do: before, within, after.
            at = before + rng.randrange(0, len(part) + 1)
            d.wait(lambda at=at: self.decided(d) >= at, "part of a slice is decided", 60)
            d.kill9()
            if rng.random() < 0.5:
                sender.join()       # the broker has it all, the daemon is down
                d.start()
            else:
                d.start()
                sender.join()
        d.wait(lambda: self.decided(d) >= len(log), "every event is decided", 120)

    def check(self, d, log):
        seen = self.rows(d, "SELECT event, count(*) FROM decision WHERE rule='every'"
                            " GROUP BY event")
        self.assertEqual({e: 1 for e in (f"e{n}" for n, _, _ in log)}, dict(seen))
        due = [n for n, _, _ in log if n % TENTH == 0]
        runs = [json.loads(p)["n"] for p, in self.rows(
            d, "SELECT params FROM run WHERE rule='tenth' ORDER BY id")]
        self.assertEqual(due, sorted(runs))
        level = self.rows(d, "SELECT outcome, count(*) FROM decision WHERE rule='level'"
                             " GROUP BY outcome")
        self.assertEqual({"fired": rising_edges(log)}, dict(level))
        # Children survived, were started once, and their exit codes are kept.
        total = len(due) + rising_edges(log)
        d.wait(lambda: self.rows(d, "SELECT count(*) FROM run WHERE state IN"
                                    " ('completed','failed')")[0][0] == total,
               "every run has ended", 120)
        for params, state, code, attempts in self.rows(
                d, "SELECT r.params, r.state, a.exit_code, (SELECT count(*) FROM attempt x"
                   " WHERE x.run=r.id) FROM run r JOIN attempt a ON a.run=r.id"):
            want = abs(json.loads(params)["n"]) % 2
            self.assertEqual((want, "failed" if want else "completed", 1),
                             (code, state, attempts))


class MqttKills(KillLoop):
    def test_every_event_once_over_mqtt(self):
        log = feed(KILLS * 20, SEED)
        with Mosquitto() as m, Daemon(rules={"load.yaml": RULES}, sources=[
                {"name": "sensors", "kind": "mqtt", "url": m.url, "topics": ["load"]}]) as d:
            d.wait(lambda: any(s["connected"] for s in d.ctl_json("get", "sources")
                               if s["name"] == "sensors"), "mqtt is up")
            self.run_loop(d, lambda part: m.publish_lines(
                "load", [structured(*e) for e in part]), log)
            self.check(d, log)


class KafkaKills(KillLoop):
    def test_every_event_once_over_kafka(self):
        log = feed(KILLS * 20, SEED)
        with broker({"load": 1}) as k, Daemon(rules={"load.yaml": RULES}, sources=[
                {"name": "events", "kind": "kafka", "brokers": [k.bootstrap],
                 "topics": ["load"], "start": "begin"}]) as d:
            print(f"# broker: {'Apache Kafka' if k.real else 'mock cluster'}", flush=True)
            self.run_loop(d, lambda part: k.produce(
                "load", [structured(*e) for e in part], partition=0), log)
            self.check(d, log)


if __name__ == "__main__":
    unittest.main()
