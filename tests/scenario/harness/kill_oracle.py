"""The input log of the kill loops, and from it alone what must have been decided.

Nothing here is shared with the daemon.  Every type of event comes in the order of its
own times, and each has an event-time rule of its own: so the order between types, which
several clients leave to chance, decides nothing.
"""
import json
import random

T0 = 1772336400000          # 2026-03-01T03:40:00Z
STEP_MS = 250               # of event time between two events of a type
WINDOW_MS = 5000
TENTH = 39                  # every 39th event is due a run; odd ones fail

COMMON = """
rules:
  - name: every
    description: each event leaves one decision
    on: {type: load.*, where: "!has(data.plain)"}
    mode: observe
    run: noop
  - name: keyed
    description: each message without an id too
    on: {type: load.*, where: has(data.plain)}
    key: data.name
    max_keys: 1000000
    mode: observe
    run: noop
  - name: tenth
    on: {type: load.*, where: data.n %% %d == 0}
    backoff: off
    run: {pipeline: noop, params: {n: "${data.n}", type: "${event.type}"}}
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
    params: {n: {type: int, default: 0}, type: {type: string, default: ""}}
    steps:
      # Long enough for a kill to come while it runs.
      - {name: code, command: [sh, -c,
          "sleep 0.3; exit $(($${RETRAIN_PARAM_N#-} %% 2))"]}
""" % TENTH
LEVEL = """
rules:
  - name: level.%s
    on: {type: %s}
    signals:
      v: {value: data.value, tumbling: %dms}
    when: v.avg > 50.0
    run: {pipeline: noop, params: {n: -2}}
"""


def rule_files(feeds):
    return {"common.yaml": COMMON,
            **{f"{f.type}.yaml": LEVEL % (f.type, f.type, WINDOW_MS) for f in feeds}}


def iso(ms):
    s, frac = divmod(ms, 1000)
    day, rest = divmod(s, 86400)
    assert day == T0 // 86400000, "the feed stays within one day"
    return f"2026-03-01T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}.{frac:03}Z"


class Feed:
    """One type's events (n, time, value), made as they are wanted and kept in `log`.

    The level wanders around 50, so that the means of windows cross it (20 times in
    2,000 events)."""

    def __init__(self, name, seed):
        self.name, self.type = name, f"load.{name}"
        self.rng, self.level, self.log = random.Random(f"{seed} {name}"), 50.0, []

    def take(self, count):
        begin = len(self.log)
        for n in range(begin + 1, begin + count + 1):
            self.level += 0.05 * (50 - self.level) + self.rng.uniform(-2, 2)
            self.log.append((n, T0 + n * STEP_MS, round(self.level, 3)))
        return self.log[begin:]

    def take_last(self):
        """It closes the window before it and leaves one below the limit, whose own
        end, which comes when the stream has been idle, changes nothing."""
        n, time, _ = self.log[-1]
        self.log.append((n + 1, time - time % WINDOW_MS + WINDOW_MS, 0.0))
        return self.log[-1:]

    def id(self, n):
        return f"{self.name}-{n}"

    def event(self, n, time, value):
        """As a structured CloudEvent."""
        return {"specversion": "1.0", "id": self.id(n), "source": "/feed",
                "type": self.type, "time": iso(time), "data": {"n": n, "value": value}}

    def plain(self, n, time, value):
        """To which its source gives no id; `name` is for the oracle."""
        return {"plain": True, "name": self.id(n), "load": self.type, "at": iso(time),
                "n": n, "value": value}

    def due(self):
        return [n for n, _, _ in self.log if n % TENTH == 0]

    def rising_edges(self):
        """Windows [k*W, (k+1)*W) close when an event at or after their end arrives; the
        rule is true while the last closed window's mean is above 50."""
        edges, open_at, values, high = 0, None, [], False
        for _, time, value in self.log:
            start = time - time % WINDOW_MS
            if open_at is not None and start > open_at:
                now = sum(values) / len(values) > 50.0
                edges += now and not high
                high, values = now, []
            open_at = start
            values.append(value)
        return edges


def lines(payloads):
    return [json.dumps(p) for p in payloads]
