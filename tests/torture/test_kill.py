"""kill -9 under load, on every source: each event decided once, each due run there once.

The oracle computes from the input log alone what must have been decided; it shares no
code with the daemon.  One partition per topic and event-time rules, so that the order
of inputs, and with it every decision, is known.  Meanwhile a schedule ticks through the
kills, its steps run on through them, and the broker itself is down several times.
"""
import json
import os
import random
import re
import sqlite3
import threading
import time
import unittest

from harness import Daemon, Mosquitto, broker

OUTAGES = 3                 # of the broker, each with a kill inside
KILLS = int(os.environ.get("KILLS", "100"))
SEED = int(os.environ.get("SEED", "20261123"))
T0 = 1772336400000          # 2026-03-01T03:40:00Z
STEP_MS = 250               # of event time between two events
WINDOW_MS = 5000
TENTH = 39                  # every 39th event is due a run; odd ones fail

# The same numbers as plain JSON, to which the source gives no id.
PLAIN = """
rules:
  - name: every
    on: {type: load}
    key: data.n
    mode: observe
    run: noop
pipelines: [{name: noop, steps: [{name: a, command: ["true"]}]}]
"""
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
  - name: tick
    schedule: {every: 1s, catch_up: all}
    run: {pipeline: noop, params: {n: -4}}
  - name: ended
    description: our own events, each once too
    on: {type: retraind.run.*}
    mode: observe
    run: noop
pipelines:
  - name: noop
    params: {n: {type: int, default: 0}}
    steps:
      # Long enough for a kill to come while it runs.
      - {name: code, command: [sh, -c,
          "sleep 0.3; exit $(($${RETRAIN_PARAM_N#-} %% 2))"]}
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
    """What both brokers have in common; `connect` makes the broker and the source."""

    def rows(self, d, sql, *args):
        db = sqlite3.connect(f"file:{d.database}?mode=ro", uri=True)
        try:
            return db.execute(sql, args).fetchall()
        finally:
            db.close()

    def decided(self, d):
        return self.rows(d, "SELECT count(*) FROM decision WHERE rule='every'")[0][0]

    def wait_decided(self, d, count, what, seconds=60):
        d.wait(lambda: self.decided(d) >= count, what, seconds)

    def plain_kill(self, d, send, part, rng):
        """A kill somewhere in what there is to do: before, within or after."""
        sender = threading.Thread(target=send, args=(part,))
        at = self.decided(d) + rng.randrange(0, len(part) + 1)
        sender.start()
        self.wait_decided(d, at, "part of a slice is decided")
        d.kill9()
        if rng.random() < 0.5:
            sender.join()           # the broker has it all, the daemon is down
            d.start()
        else:
            d.start()
            sender.join()

    def outage(self, d, broker_, send, part, rng):
        """The broker goes in the middle of a slice and comes back after the daemon."""
        cut = rng.randrange(0, len(part) + 1)
        if cut:
            send(part[:cut])
        broker_.down()
        d.kill9()
        d.start()                   # it starts, and is ready, without its broker
        broker_.up()
        if part[cut:]:
            send(part[cut:])

    def run_loop(self, d, broker_, send, log, kills=KILLS):
        """`send(part)` hands a slice of the log to the broker; slices differ in size."""
        rng = random.Random(SEED + 1)
        cuts = sorted(rng.sample(range(1, len(log)), kills - 1))
        slices = [log[a:b] for a, b in zip([0, *cuts], [*cuts, len(log)])]
        down = {(i + 1) * kills // (OUTAGES + 1) for i in range(OUTAGES)}
        for i, part in enumerate(slices):
            if i in down:
                self.outage(d, broker_, send, part, rng)
            else:
                self.plain_kill(d, send, part, rng)
        self.wait_decided(d, len(log), "every event is decided", 120)

    def check_events(self, d, log):
        seen = self.rows(d, "SELECT event, count(*) FROM decision WHERE rule='every'"
                            " GROUP BY event")
        self.assertEqual({f"e{n}": 1 for n, _, _ in log}, dict(seen))
        due = [n for n, _, _ in log if n % TENTH == 0]
        runs = [json.loads(p)["n"] for p, in self.rows(
            d, "SELECT params FROM run WHERE rule='tenth' ORDER BY id")]
        self.assertEqual(due, runs)
        level = self.rows(d, "SELECT outcome, count(*) FROM decision WHERE rule='level'"
                             " GROUP BY outcome")
        self.assertEqual({"fired": rising_edges(log)}, dict(level))
        return len(due) + rising_edges(log)

    def check_schedule(self, d, began, ended):
        """Every whole second between the two, once: as row, as decision, as run."""
        due = [t for t, in self.rows(
            d, "SELECT due_ms FROM due JOIN rule ON rule.id=due.rule"
               " WHERE rule.name='tick' ORDER BY due_ms")]
        first, last = -(-began // 1000), ended // 1000
        self.assertLessEqual(due[0], first * 1000, "ticks from the first start on")
        self.assertGreaterEqual(due[-1], last * 1000)
        self.assertEqual(list(range(due[0], due[-1] + 1, 1000)), due)
        self.assertEqual(
            [(t, "fired", 1) for t in due],
            self.rows(d, "SELECT due_ms, outcome, count FROM decision WHERE rule='tick'"
                         " ORDER BY due_ms"))
        runs = self.rows(d, "SELECT count(*), count(DISTINCT decision) FROM run"
                            " WHERE rule='tick'")
        self.assertEqual([(len(due), len(due))], runs)
        return len(due)

    def check_children(self, d, total):
        """They survived, were started once, and their exit codes are kept."""
        found = self.rows(
            d, "SELECT r.params, r.state, a.exit_code, (SELECT count(*) FROM attempt x"
               " WHERE x.run=r.id) FROM run r JOIN attempt a ON a.run=r.id")
        self.assertEqual(total, len(found))
        for params, state, code, attempts in found:
            want = abs(json.loads(params)["n"]) % 2
            self.assertEqual((want, "failed" if want else "completed", 1),
                             (code, state, attempts))
        recovered = re.findall(r"recovered (\d+) runs: (\d+) attached, (\d+) ended,"
                               r" (\d+) lost", d.log())
        self.assertGreater(sum(int(x[1]) for x in recovered), KILLS // 10,
                           "kills came while steps ran")
        self.assertEqual(0, sum(int(x[3]) for x in recovered), "no run is lost")

    def check_own_events(self, d, total):
        """Created, started and ended: three events of each run, decided once each."""
        d.wait(lambda: self.rows(d, "SELECT count(*) FROM decision WHERE rule='ended'")
               [0][0] >= 3 * total, "all events of runs are decided", 60)
        self.assertEqual([(3 * total, 3 * total)], self.rows(
            d, "SELECT count(*), count(DISTINCT event) FROM decision WHERE rule='ended'"))

    def whole(self, d, broker_, send):
        log, began = feed(KILLS * 20, SEED), int(time.time() * 1000)
        self.run_loop(d, broker_, send, log)
        ended = int(time.time() * 1000)
        d.wait(lambda: self.rows(d, "SELECT max(due_ms) FROM due")[0][0] >= ended - 1000,
               "the last tick")
        d.ctl("pause", "tick")      # no further due times
        d.wait(lambda: not self.rows(d, "SELECT 1 FROM run WHERE finished IS NULL"),
               "every run has ended", 120)
        total = self.check_events(d, log)
        total += self.check_schedule(d, began, ended)
        self.check_children(d, total)
        self.check_own_events(d, total)


class MqttKills(KillLoop):
    def test_every_event_once_over_mqtt(self):
        with Mosquitto() as m, Daemon(rules={"load.yaml": RULES}, sources=[
                {"name": "sensors", "kind": "mqtt", "url": m.url, "topics": ["load"]}]) as d:
            d.wait_connected("sensors")
            self.whole(d, m, lambda part: m.publish_lines(
                "load", [structured(*e) for e in part]))


    def test_every_message_once_without_ids(self):
        """Only the packet id and the payload tell a message sent again from a new one."""
        with Mosquitto() as m, Daemon(rules={"plain.yaml": PLAIN}, sources=[
                {"name": "sensors", "kind": "mqtt", "url": m.url, "topics": ["load"],
                 "map": {"type": "'load'", "data": "body"}}]) as d:
            d.wait_connected("sensors")
            log = feed(KILLS * 10, SEED)
            self.run_loop(d, m, lambda part: m.publish_lines(
                "load", [json.dumps({"n": n, "value": v}) for n, _, v in part]), log,
                KILLS // 2)
            self.assertEqual(
                {str(n): 1 for n, _, _ in log},
                dict(self.rows(d, "SELECT key, count(*) FROM decision GROUP BY key")))


class KafkaKills(KillLoop):
    def test_every_event_once_over_kafka(self):
        with broker({"load": 1}) as k, Daemon(rules={"load.yaml": RULES}, sources=[
                {"name": "events", "kind": "kafka", "brokers": [k.bootstrap],
                 "topics": ["load"], "start": "begin"}]) as d:
            print(f"# broker: {'Apache Kafka' if k.real else 'mock cluster'}", flush=True)
            self.whole(d, k, lambda part: k.produce(
                "load", [structured(*e) for e in part], partition=0))


if __name__ == "__main__":
    unittest.main()
