"""The world of the demo: a machine, the service that answers for it, the feed of both.

All times are the machine's own: its second takes as long as the feed's rate says.
"""
import collections
import csv
import datetime
import json
import os
import random
import select
import subprocess
import sys
import time

from demo_parts import PATIENCE, TREE, Failed, say

SAMPLES = 20            # per second of machine time
WINDOW = 25             # seconds of machine time in a dataset made from the feed


class Machine:
    """Samples of one milling machine, and the files that its operators keep."""

    def __init__(self, home, seed=7):
        self.home, self.random = home, random.Random(seed)
        self.coated = False
        self.second, self.start = 0, time.time() - 3600
        self.rows = collections.deque(maxlen=WINDOW * SAMPLES * 4 // 5)
        self.inspected = collections.deque(maxlen=WINDOW * SAMPLES // 5)

    def sample(self):
        worn, r = int(self.random.random() < 0.4), self.random
        vibration = 3.0 if self.coated else 2.0 + 1.6 * worn
        current = 8.0 + (2.6 if self.coated else 0.2) * worn
        return [round(r.gauss(vibration, 0.5), 3), round(r.gauss(44 + 2 * worn, 3), 2),
                round(r.gauss(current, 0.7), 3), worn]

    def batch(self):
        """One second of the machine's time; a person inspects every fifth tool."""
        self.second += 1
        batch = [self.sample() for _ in range(SAMPLES)]
        self.inspected.extend(batch[::5])
        self.rows.extend(row for i, row in enumerate(batch) if i % 5)
        return batch

    def time(self):
        utc = datetime.timezone.utc
        t = datetime.datetime.fromtimestamp(self.start + self.second, utc)
        return t.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def write(self, name, rows):
        path = self.home / name
        new = path.with_suffix(".new")
        with open(new, "w", newline="", encoding="ascii") as f:
            out = csv.writer(f)
            out.writerow(["vibration", "temperature", "current", "worn"])
            out.writerows(rows)
        new.replace(path)
        return path


class Serving:
    """Answers with the model behind `current`, as a service beside the machine would."""

    def __init__(self, home):
        os.environ["SPINDLE_HOME"] = str(home)
        sys.path.insert(0, str(TREE / "rules" / "scripts"))
        import spindle                          # reads SPINDLE_HOME at its import
        self.probability = spindle.probability
        self.link, self.name, self.model = home / "models" / "current", None, None

    def deployed(self):
        try:
            return os.readlink(self.link).removesuffix(".json")
        except FileNotFoundError:
            return None

    def error_rate(self, batch):
        name = self.deployed()
        if name != self.name:
            self.name, self.model = name, json.loads(self.link.read_text())
        wrong = sum((self.probability(self.model, row[:3]) >= 0.5) != bool(row[3])
                    for row in batch)
        return wrong / len(batch)


class Feed:
    """Runs the machine: one batch, one ml.metric event over MQTT, `rate` a second."""

    def __init__(self, machine, serving, mosquitto, rate):
        self.machine, self.serving, self.pause = machine, serving, 1 / rate
        argv = [*mosquitto.client(), "-q", "1", "-t", "ml/spindle/metrics", "-l",
                "-V", "mqttv5", "-D", "publish", "content-type",
                "application/cloudevents+json"]
        self.pub = subprocess.Popen(argv, stdin=subprocess.PIPE, text=True,
                                    start_new_session=True)
        self.shown = collections.deque(maxlen=20)

    def step(self):
        m = self.machine
        error = self.serving.error_rate(m.batch())
        event = {"specversion": "1.0", "type": "ml.metric", "id": f"metric-{m.second}",
                 "source": "/machines/7", "subject": "spindle", "time": m.time(),
                 "data": {"name": "error_rate", "model": "spindle", "value": error}}
        self.pub.stdin.write(json.dumps(event) + "\n")
        self.pub.stdin.flush()
        m.write("inspected.csv", m.inspected)
        self.shown.append(error)
        if m.second % 10 == 0:
            m.write(f"data/feed-{m.second:04d}.csv", m.rows)
        if m.second % 20 == 0:
            say(f"  machine second {m.second:4d}: error rate {self.recent():.2f}"
                f"   ({self.serving.name} answers)")
        select.select([], [], [], self.pause)   # the machine's pace, no waiting

    def recent(self):
        return sum(self.shown) / len(self.shown)

    def run(self, until, what, at_least=0):
        """Feed until the answer is yes (asked every few batches)."""
        end, first = time.monotonic() + PATIENCE, self.machine.second
        while True:
            self.step()
            done = self.machine.second - first
            if done >= at_least and done % 5 == 0:
                answer = until()
                if answer:
                    return answer
                if time.monotonic() > end:
                    raise Failed(f"{what}: not within {PATIENCE} s")

    def close(self):
        self.pub.stdin.close()
        self.pub.wait(timeout=10)
