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
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.dont_write_bytecode = True

from demo_machine import Feed, Machine, Serving
from demo_parts import PATIENCE, TREE, Failed, Retraind, born, kafka_part, say, stop
from harness import Mosquitto, Part, Timeout, alive, free_port, wait_until

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


def title(text):
    say(f"\n== {text}")


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
        self.wait(self.connected, "the sources are connected")
        self.record()
        say(f"retraind: pid {self.d.proc.pid}, all in {self.dir}")
        self.feed = Feed(self.machine, Serving(self.home), mosquitto, self.rate)

    def connected(self):
        return all(s["state"] == "connected" for s in self.d.ask("get", "sources")
                   if s["kind"] in ("kafka", "mqtt"))

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
        title("A first dataset: Kafka -> rule spindle-new-data -> a first model")
        m = self.machine
        rows = [m.sample() for _ in range(1000)]
        m.write("data/v1.csv", rows[:800])
        m.write("inspected.csv", rows[800:])
        self.dataset("v1", "v1.csv", 800)
        run = self.wait_run(rule="spindle-new-data")
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
                   self.feed.recent() < 0.15 and not self.fired())
        say("\n  The tools are coated now: wear shows in the current, not in vibration.")
        self.machine.coated = True
        self.feed.run(self.fired, "spindle-errors fires")
        say("  rule spindle-errors fired; the feed goes on while the run trains")
        run = self.feed.run(lambda: [r for r in self.d.ask(
            "get", "runs", rule="spindle-errors") if r["finished"]], "its run ends")[0]
        self.second = run["id"]
        metrics = self.measured(run)
        self.check("the retrained model beat the champion and was promoted",
                   run["outcome"] == "promoted"
                   and metrics["accuracy"] > metrics["champion_accuracy"])
        self.feed.run(lambda: self.machine_state() not in ("firing", "pending"),
                      "the episode ends", at_least=20)
        self.check("the error fell, the episode ended by `recover`",
                   self.feed.recent() < 0.15)
        self.check("one episode, one run",
                   len(self.fired()) == 1
                   and len(self.d.ask("get", "runs", rule="spindle-errors")) == 1)

    def fired(self):
        return self.d.ask("get", "decisions", rule="spindle-errors", outcome="fired")

    def machine_state(self):
        trace = json.loads(self.d.ctl("explain", "spindle-errors", "--key", "spindle",
                                      "-o", "json").stdout)
        return trace["state"]["state"]

    def measured(self, run):
        whole = json.loads(self.d.ctl("describe", run["id"], "-o", "json").stdout)
        steps = {s["name"]: s for s in whole["steps"]}
        metrics = steps["evaluate"]["metrics"]
        say(f"  {run['id']}: accuracy {metrics['accuracy']:.2f}, the champion's on the "
            f"same rows {metrics['champion_accuracy']:.2f}")
        return metrics

    def bad_dataset(self):
        title("A dataset whose labels were mixed up (0 is 1): the gate says no")
        samples = [self.machine.sample() for _ in range(500)]
        self.machine.write("data/v3.csv", [[*x, 1 - worn] for *x, worn in samples])
        self.dataset("v3", "v3.csv", 500)
        run = self.wait(lambda: [r for r in self.d.ask(
            "get", "runs", rule="spindle-new-data", outcome="rejected")
            if r["finished"]], "a rejected run")[0]
        metrics = self.measured(run)
        states = {step["name"]: step["state"] for step in run["steps"]}
        self.check("trained, measured, rejected: worse than the champion; deploy skipped",
                   run["state"] == "completed" and states["deploy"] == "skipped"
                   and metrics["accuracy"] < metrics["champion_accuracy"])
        self.check("`current` still points to the model from before",
                   self.feed.serving.deployed() == self.second)

    def alert(self):
        title("An alert of Prometheus: HTTP -> rule spindle-alert -> measure the model")
        alert = {"status": "firing", "fingerprint": "c0ffee",
                 "startsAt": self.machine.time(),
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
        self.check("the schedule fired, its run completed", run["state"] == "completed")

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
        if os.environ.get("KEEP") != "1":
            self.leave()
        return time.monotonic() - began

    def leave(self):
        title("The end")
        pids = [p.proc.pid for p in self.parts if p.proc] + self.d.steps()
        self.close()
        self.check("the daemon stopped cleanly and nothing is left running",
                   self.d.status == 0 and not any(alive(p) for p in pids))

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
        (self.dir / "pids.json").unlink(missing_ok=True)

    def left_running(self):
        say(f"\nKEEP=1: everything goes on.  Look:\n"
            f"  export RETRAIND_DIR={self.dir} PATH={self.build}:$PATH\n"
            f"  retrainctl get runs; retrainctl explain spindle-errors --key spindle\n"
            f"  curl -H \"Authorization: Bearer $(cat {self.dir}/state/admin.token)\" "
            f"http://127.0.0.1:{self.port}/api/v1/rules\n"
            f"Stop it:\n  scripts/demo.py --build {self.build} --stop")


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
    # Also where the shell started it in the background, with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    demo, keep = Demo(build, a.rate), False
    try:
        seconds = demo.run()
        keep = os.environ.get("KEEP") == "1"
        say(f"\ndemo: {len(demo.checked)} of {len(demo.checked)} things are as expected, "
            f"in {seconds:.0f} s")
    except (Failed, Timeout, RuntimeError, OSError, subprocess.SubprocessError) as e:
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
