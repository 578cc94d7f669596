#!/usr/bin/env python3
"""The whole product at work, in about a minute: `make demo`.

    scripts/demo.py [--build DIR] [--rate N]    run it; exit 0: all that it says is true
    scripts/demo.py --stop                      end what KEEP=1 left running

A milling machine sends samples (vibration, temperature, spindle current); a model says
whether its tool is worn.  In the middle the tools get a coating: worn ones no longer
vibrate more, they draw more current.  The old model is wrong from then on, and the
daemon has to notice, train again, compare and deploy.

Everything lies in BUILD/demo: the daemon's directory, a Mosquitto and a Kafka broker.
Nothing waits for a time: each step waits until what it expects is there, and fails at
its deadline.  Environment: KAFKA=real, KAFKA_BOOTSTRAP=host:port, KEEP=1.
"""
import argparse
import collections
import csv
import datetime
import json
import os
import pathlib
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

TREE = pathlib.Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(TREE / "tests" / "scenario"))
sys.path.insert(0, str(TREE / "rules" / "scripts"))

from harness import (Kafka, KafkaMock, Mosquitto, Part, Timeout, alive,  # noqa: E402
                     free_port, have_kafka, processes_under, wait_until)

PATIENCE = 60           # seconds until something expected counts as missing
SAMPLES = 20            # per second of machine time
WINDOW = 25             # seconds of machine time in a dataset made from the feed
CONFIG = """\
http: {{listen: "127.0.0.1:{http}"}}
sources:
  - {{name: http, kind: http, hooks: [alertmanager]}}
  - {{name: datasets, kind: kafka, brokers: ["{kafka}"], topics: [{topic}], start: begin}}
  - {{name: metrics, kind: mqtt, url: "{mqtt}", topics: ["ml/+/metrics"]}}
"""
# What a demo needs and an example does not: a schedule that comes soon, a long run.
RULES = """\
rules:
  - name: demo-check
    description: measure the deployed model again, every 15 s
    schedule: {every: 15s}
    run: {pipeline: spindle-check, params: {model: spindle}}

pipelines:
  - name: demo-long
    description: a step with children, one of which leaves its session
    steps:
      - name: sleep
        command: [sh, -c, "setsid sleep 600 & sleep 600 & echo waiting; wait"]
"""


class Failed(Exception):
    """The demo did not show what it says."""


def say(text=""):
    print(text, flush=True)


def title(text):
    say(f"\n== {text}")


# ---- the parts ----

class Retraind(Part):
    """The daemon in a directory that stays after the demo."""
    name = "retraind"

    def __init__(self, build, directory):      # no super(): its directory is temporary
        self.build, self.dir = build, str(directory)
        self.log_path = str(directory / "retraind.log")
        self.proc = self._pidfd = None

    def env(self):
        keep = {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}
        return {**super().env(), **keep, "RETRAIND_DIR": self.dir}

    def argv(self):
        return [str(self.build / "retraind")]

    def ready(self):
        return self.ctl("get", "runs", expect=None).returncode == 0

    def ctl(self, *args, expect=0):
        done = subprocess.run([str(self.build / "retrainctl"), *args], env=self.env(),
                              text=True, capture_output=True, timeout=30, check=False)
        if expect is not None and done.returncode != expect:
            raise Failed(f"retrainctl {' '.join(args)}: exit {done.returncode}\n"
                         f"{done.stdout}{done.stderr}")
        return done

    def ask(self, *args, **want):
        """The rows of a list whose fields have these values."""
        rows = json.loads(self.ctl(*args, "-o", "json").stdout)
        return [r for r in rows if all(r.get(k) == v for k, v in want.items())]

    def steps(self):
        return processes_under(os.path.join(self.dir, "state", "runs", ""))

    def close(self):
        if self.proc is not None:
            self.thaw()
            self.stop()
        kill_steps(self.dir)


class RunningKafka(KafkaMock):
    """A broker that somebody else runs; topics are created by their first use."""
    name = "kafka"
    real = True

    def __init__(self, bootstrap):
        super().__init__()
        self.bootstrap = bootstrap

    def start(self):
        wait_until(lambda: self.metadata()["brokers"], 20, f"{self.bootstrap} answers")
        return self

    def metadata(self, seconds=3):
        try:
            return super().metadata(seconds)
        except subprocess.SubprocessError as e:
            raise OSError(str(e)) from e


def kafka_part(topic):
    bootstrap = os.environ.get("KAFKA_BOOTSTRAP")
    if bootstrap:
        say(f"Kafka: the broker at {bootstrap}; topic {topic}, which stays there.")
        return RunningKafka(bootstrap)
    if os.environ.get("KAFKA") == "real":
        if not have_kafka():
            subprocess.run([str(TREE / "scripts" / "deps"), "--kafka"], check=True)
        say("Kafka: Apache Kafka, one node; Maven fetches it at the first use.")
        return Kafka({topic: 1})
    say("Kafka: librdkafka's mock cluster in its own process; "
        "KAFKA=real starts Apache Kafka.")
    return KafkaMock({topic: 1})


def kill_steps(directory):
    """End steps that outlived an abort; by design they outlive the daemon."""
    def gone():
        left = processes_under(os.path.join(directory, "state", "runs", ""))
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not left
    wait_until(gone, 20, "the steps are gone")


# ---- the machine, and the model that serves it ----

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
        t = datetime.datetime.fromtimestamp(self.start + self.second, datetime.timezone.utc)
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
        self.pub = subprocess.Popen(argv, stdin=subprocess.PIPE, text=True)
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
            say(f"  machine second {m.second:4d}: error rate "
                f"{sum(self.shown) / len(self.shown):.2f}   ({self.serving.name} answers)")
        select.select([], [], [], self.pause)   # the machine's pace, no waiting

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


# ---- the story ----

class Demo:
    def __init__(self, build, rate):
        self.build, self.rate = build, rate
        self.dir = build / "demo"
        self.home = self.dir / "state" / "spindle"
        self.topic = f"retraind-demo-{os.urandom(3).hex()}"
        self.parts, self.checked = [], []
        self.machine = Machine(self.home)
        self.d = self.feed = None

    def check(self, text, true):
        """One thing that the demo claims."""
        if not true:
            raise Failed(f"expected: {text}")
        self.checked.append(text)
        say(f"  ok: {text}")

    def wait(self, cond, what):
        try:
            return wait_until(cond, PATIENCE, what, watch=self.d)
        except Timeout as e:
            raise Failed(str(e)) from e

    def wait_run(self, **want):
        """The one run with these fields, when it has ended."""
        def ended():
            return [r for r in self.d.ask("get", "runs", **want) if r["finished"]]
        return self.wait(ended, f"a run with {want}")[0]

    # Files, brokers, daemon.

    def prepare(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        (self.home / "data").mkdir(parents=True)
        (self.dir / "state").chmod(0o700)
        (self.dir / "parts").mkdir()
        tempfile.tempdir = str(self.dir / "parts")
        rules = self.dir / "rules"
        shutil.copytree(TREE / "rules", rules, copy_function=shutil.copyfile,
                        ignore=shutil.ignore_patterns("__pycache__"))

    def start(self):
        self.prepare()
        if os.environ.get("KEEP") == "1":
            Part.tie = ()
        title("Brokers and daemon")
        mosquitto = Mosquitto()
        self.parts.append(mosquitto)
        self.kafka = kafka_part(self.topic)
        self.parts.append(self.kafka)
        mosquitto.start()
        self.kafka.start()
        say(f"MQTT: mosquitto on {mosquitto.url}")
        self.port = free_port()
        (self.dir / "retraind.yaml").write_text(CONFIG.format(
            http=self.port, kafka=self.kafka.bootstrap, topic=self.topic,
            mqtt=mosquitto.url))
        self.d = Retraind(self.build, self.dir)
        self.parts.append(self.d)
        self.d.start()
        self.wait(lambda: all(s["state"] == "connected" for s in
                              self.d.ask("get", "sources") if s["kind"] in ("kafka", "mqtt")),
                  "the sources are connected")
        self.record()
        say(f"retraind: pid {self.d.proc.pid}, all in {self.dir}")
        self.feed = Feed(self.machine, Serving(self.home), mosquitto, self.rate)

    def record(self):
        rows = [{"name": p.name, "pid": p.proc.pid, "born": born(p.proc.pid)}
                for p in reversed(self.parts) if p.proc]
        (self.dir / "pids.json").write_text(json.dumps(rows))

    def dataset(self, version, name, rows):
        """A dataset event through Kafka."""
        event = {"specversion": "1.0", "type": "dataset.version.created",
                 "id": f"dataset-{version}-{os.urandom(3).hex()}", "source": "/datasets",
                 "subject": "spindle", "data": {"version": version, "rows": rows,
                                                "uri": str(self.home / "data" / name)}}
        self.kafka.produce(self.topic, [json.dumps(event)],
                           headers={"content-type": "application/cloudevents+json"})

    # The chapters.

    def first_model(self):
        title("A first dataset: Kafka -> rule spindle-new-data -> train, evaluate, deploy")
        m = self.machine
        rows = [m.sample() for _ in range(1000)]
        m.write("data/v1.csv", rows[:800])
        m.write("inspected.csv", rows[800:])
        self.dataset("v1", "v1.csv", 800)
        run = self.wait_run(rule="spindle-new-data")
        self.first = run["id"]
        self.check("the dataset started a run, it was promoted: nobody to beat",
                   (run["state"], run["outcome"]) == ("completed", "promoted"))
        self.check("`current` points to it", self.feed.serving.deployed() == run["id"])
        self.dataset("v1", "v1.csv", 800)
        self.wait(lambda: self.d.ask("get", "decisions", rule="spindle-new-data",
                                     outcome="suppressed", suppressor="dedupe"),
                  "the repeat is suppressed")
        self.check("the same version again: suppressed by dedupe, no run", True)

    def concept_change(self):
        title("The feed: samples -> model -> error rate over MQTT, in the machine's time")
        self.feed.run(lambda: True, "a baseline", at_least=60)
        self.check("the model serves well and nothing fired",
                   sum(self.feed.shown) / len(self.feed.shown) < 0.15
                   and not self.fired())
        say("\n  The tools are coated now: wear shows in the current, not in vibration.")
        self.machine.coated = True
        self.feed.run(self.fired, "spindle-errors fires")
        say("  rule spindle-errors fired; the feed goes on while the run trains")
        run = self.feed.run(lambda: [r for r in self.d.ask(
            "get", "runs", rule="spindle-errors") if r["finished"]], "its run ends")[0]
        self.second = run["id"]
        metrics = self.metrics(run, "evaluate")
        say(f"  {run['id']}: accuracy {metrics['accuracy']:.2f}, champion on the same rows "
            f"{metrics['champion_accuracy']:.2f}")
        self.check("the retrained model beat the champion and was promoted",
                   run["outcome"] == "promoted"
                   and metrics["accuracy"] > metrics["champion_accuracy"])
        self.feed.run(lambda: self.machine_state() not in ("firing", "pending"),
                      "the episode ends", at_least=20)
        self.check("the error fell, the episode ended by `recover`",
                   sum(self.feed.shown) / len(self.feed.shown) < 0.15)
        self.check("one episode, one run",
                   len(self.fired()) == 1
                   and len(self.d.ask("get", "runs", rule="spindle-errors")) == 1)

    def fired(self):
        return self.d.ask("get", "decisions", rule="spindle-errors", outcome="fired")

    def machine_state(self):
        trace = json.loads(self.d.ctl("explain", "spindle-errors", "--key", "spindle",
                                      "-o", "json").stdout)
        return trace["state"]["state"]

    def metrics(self, run, step):
        whole = json.loads(self.d.ctl("describe", run["id"], "-o", "json").stdout)
        return next(s["metrics"] for s in whole["steps"] if s["name"] == step)

    def bad_dataset(self):
        title("A dataset whose labels were mixed up: the gate says no")
        labels = [row[3] for row in self.machine.rows]
        self.machine.random.shuffle(labels)
        rows = [[*row[:3], y] for row, y in zip(self.machine.rows, labels)]
        rows += rows[:500 - len(rows)]
        self.machine.write("data/v3.csv", rows)
        self.dataset("v3", "v3.csv", 500)
        run = self.wait(lambda: [r for r in self.d.ask("get", "runs", rule="spindle-new-data")
                                 if r["id"] != self.first and r["finished"]], "its run")[0]
        metrics = self.metrics(run, "evaluate")
        say(f"  {run['id']}: accuracy {metrics['accuracy']:.2f}, champion on the same rows "
            f"{metrics['champion_accuracy']:.2f}")
        self.check("trained, measured and rejected; deploy was skipped",
                   (run["state"], run["outcome"]) == ("completed", "rejected")
                   and {s["name"]: s["state"] for s in run["steps"]}["deploy"] == "skipped")
        self.check("`current` still points to the model from before",
                   self.feed.serving.deployed() == self.second)

    def alert(self):
        title("An alert of Prometheus: HTTP -> rule spindle-alert -> measure the model")
        alert = {"status": "firing", "startsAt": self.machine.time(), "fingerprint": "c0ffee",
                 "labels": {"alertname": "SpindleModelDegraded", "model": "spindle"}}
        body = {"version": "4", "status": "firing", "alerts": [alert]}
        token = (self.dir / "state" / "admin.token").read_text().strip()
        ask = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/hooks/alertmanager", json.dumps(body).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        with urllib.request.urlopen(ask, timeout=30) as answer:
            self.check("the hook took what Alertmanager posts", answer.status == 202)
        run = self.wait_run(rule="spindle-alert")
        self.check("the alert started a run, it completed", run["state"] == "completed")

    def add_rules(self):
        title("A rule file is added while the daemon runs: a schedule, every 15 s")
        (self.dir / "rules" / "90-demo.yaml").write_text(RULES)
        self.show("reload")

    def schedule(self):
        title("The schedule has come")
        run = self.wait_run(rule="demo-check")
        self.check("the schedule fired and its run completed", run["state"] == "completed")

    def abort(self):
        title("Abort: a run with child processes, one in a session of its own")
        self.d.ctl("run", "demo-long")
        run = self.wait(lambda: self.d.ask("get", "runs", pipeline="demo-long",
                                           state="running"), "it runs")[0]
        self.wait(lambda: "waiting" in self.d.ctl("logs", run["id"], expect=None).stdout,
                  "its step works")
        pids = self.d.steps()
        say(f"  $ retrainctl abort {run['id']}     ({len(pids)} processes)")
        self.d.ctl("abort", run["id"], "--reason", "shown in the demo")
        ended = self.wait_run(pipeline="demo-long")
        self.check("aborted, and none of its processes is left",
                   ended["state"] == "aborted" and len(pids) >= 4
                   and not any(alive(p) for p in pids))

    # What a person would look at.

    def show(self, *args, lines=None):
        say(f"\n$ retrainctl {' '.join(args)}")
        text = self.d.ctl(*args).stdout.rstrip().splitlines()
        for line in text[:lines]:
            say("  " + line)
        if lines and len(text) > lines:
            say(f"  ... {len(text) - lines} more lines")

    def look(self):
        title("What retrainctl shows of it")
        self.show("get", "rules")
        self.show("get", "runs")
        self.show("get", "decisions", "--limit", "8")
        self.show("get", "models")
        decision = str(self.fired()[0]["id"])
        self.show("explain", "spindle-errors", "--key", "spindle", "--decision", decision)
        self.show("explain", "spindle-errors", "--key", "spindle")
        self.show("describe", self.second, lines=30)
        stages = {m["version"]: m["stage"] for m in self.d.ask("get", "models")}
        self.check("champion: the model of the new concept",
                   stages.get(self.second) == "champion")
        self.check("no run failed", not self.d.ask("get", "runs", state="failed"))

    def run(self):
        began = time.monotonic()
        self.start()
        self.first_model()
        self.add_rules()
        self.concept_change()
        self.bad_dataset()
        self.alert()
        self.schedule()
        self.abort()
        self.look()
        self.feed.close()
        self.feed = None
        return time.monotonic() - began

    # The end.

    def close(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self.feed:
            self.feed.pub.kill()
            self.feed.pub.wait()
        if self.d and self.d.proc:
            self.d.ctl("abort", "--all", "--reason", "the demo ends", expect=None)
        for part in reversed(self.parts):
            part.close()
        pids = self.dir / "pids.json"
        pids.unlink(missing_ok=True)

    def left_running(self):
        say(f"\nKEEP=1: everything goes on.  Look:\n"
            f"  export RETRAIND_DIR={self.dir} PATH={self.build}:$PATH\n"
            f"  retrainctl get runs; retrainctl explain spindle-errors --key spindle\n"
            f"  curl -H \"Authorization: Bearer $(cat {self.dir}/state/admin.token)\" "
            f"http://127.0.0.1:{self.port}/api/v1/rules\n"
            f"Stop it:\n  scripts/demo.py --build {self.build} --stop")


# ---- stopping what KEEP=1 left ----

def born(pid):
    """The start time of a process: with its pid, its identity."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[19]
    except OSError:
        return None


def stop(build):
    """End the parts of an earlier demo, the daemon first; their number."""
    directory, count = build / "demo", 0
    try:
        rows = json.loads((directory / "pids.json").read_text())
    except FileNotFoundError:
        return 0
    d = Retraind(build, directory)
    d.ctl("abort", "--all", "--reason", "the demo ends", expect=None)
    for row in rows:
        if row["born"] is None or born(row["pid"]) != row["born"]:
            continue
        os.kill(row["pid"], signal.SIGTERM)
        try:
            wait_until(lambda r=row: not alive(r["pid"]), 20, f"{row['name']} ends")
        except Timeout:
            os.kill(row["pid"], signal.SIGKILL)
        count += 1
    kill_steps(str(directory))
    (directory / "pids.json").unlink()
    return count


def on_signal(number, _):
    sys.exit(128 + number)


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--build", default="build", metavar="DIR")
    args.add_argument("--rate", type=float, default=5, metavar="N",
                      help="seconds of machine time per second (5)")
    args.add_argument("--stop", action="store_true", help="end what KEEP=1 left running")
    a = args.parse_args()
    build = pathlib.Path(a.build).resolve()
    stopped = stop(build)
    if a.stop:
        say(f"{stopped} processes ended" if stopped else "nothing was running")
        return 0
    os.environ["RETRAIN_BUILD"] = str(build)
    os.umask(0o022)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    demo, keep = Demo(build, a.rate), False
    try:
        seconds = demo.run()
        keep = os.environ.get("KEEP") == "1"
        say(f"\ndemo: {len(demo.checked)} of {len(demo.checked)} things are as expected, "
            f"in {seconds:.0f} s")
    except (Failed, Timeout, RuntimeError) as e:
        say(f"\ndemo: FAILED after {len(demo.checked)} checks: {e}")
        if demo.d and os.path.exists(demo.d.log_path):
            say(demo.d.log_tail(25))
        return 1
    except KeyboardInterrupt:
        say("\ndemo: interrupted")
        return 130
    finally:
        if keep:
            demo.left_running()
        else:
            demo.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
