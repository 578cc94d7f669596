"""The processes of the demo: the daemon, the Kafka broker it reads, and their end."""
import json
import os
import pathlib
import signal
import subprocess
import sys

TREE = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TREE / "tests" / "scenario"))

from harness import (Kafka, KafkaMock, Part, Timeout, alive,
                     have_kafka, processes_under, wait_until)

PATIENCE = 60           # seconds until something expected counts as missing


class Failed(Exception):
    """The demo did not show what it says."""


def say(text=""):
    print(text, flush=True)


class Retraind(Part):
    """The daemon in a directory that stays after the demo."""
    name = "retraind"

    def __init__(self, build, directory):      # no super(): its directory is temporary
        self.build, self.dir = build, str(directory)
        self.log_path = str(directory / "retraind.log")
        self.proc = self._pidfd = self.status = None

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
            self.status = self.stop()
        kill_steps(self.dir)


class RunningKafka(KafkaMock):
    """A broker that somebody else runs."""
    real = True

    def __init__(self, bootstrap, topic):
        super().__init__()
        self.bootstrap, self.topic = bootstrap, topic

    def start(self):
        wait_until(self.created, 20, f"the broker at {self.bootstrap} creates a topic")
        return self

    def created(self):
        """Brokers create a topic (auto.create.topics.enable) that a client asks for."""
        try:
            answer = json.loads(self.kcat("-L", "-J", "-t", self.topic, seconds=10))
        except subprocess.SubprocessError:
            return False
        return any(t["topic"] == self.topic and t["partitions"] for t in answer["topics"])


def kafka_part(topic):
    bootstrap = os.environ.get("KAFKA_BOOTSTRAP")
    if bootstrap:
        say(f"Kafka: the broker at {bootstrap}; topic {topic}, which stays there.")
        return RunningKafka(bootstrap, topic)
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
