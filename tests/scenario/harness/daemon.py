"""retraind itself in a directory of its own, and retrainctl beside it."""
import http.client
import json
import os
import signal
import subprocess

from .process import Part, processes_under
from .wait import free_port, wait_until

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:",
           "WARNING: ThreadSanitizer")


def build_dir():
    """Where the programs under test are; tests/run sets it."""
    return os.path.abspath(os.environ.get("RETRAIN_BUILD", os.path.join(TREE, "build")))


class Daemon(Part):
    """d = Daemon(sources=[...], rules={"a.yaml": TEXT}); with d: d.post_event(...)"""
    name = "retraind"
    start_seconds = 60
    start_every = 0.005     # it needs about 10 ms

    def __init__(self, rules=None, sources=None, config=None):
        """rules: {file: text}; sources: rows for `sources:` (http is always there);
        config: further top-level keys of retraind.yaml, which win."""
        super().__init__()
        self.port = free_port()
        self.config = {
            "log": {"level": "debug"},
            "http": {"listen": f"127.0.0.1:{self.port}"},
            "sources": [{"name": "http", "kind": "http", "hooks": ["alertmanager"]},
                        *(sources or [])],
            **(config or {}),
        }
        self.rules_dir = os.path.join(self.dir, "rules")
        self.state_dir = os.path.join(self.dir, "state")
        self.socket = os.path.join(self.dir, "retraind.sock")
        self.database = os.path.join(self.state_dir, "retraind.db")
        os.mkdir(self.rules_dir, 0o755)
        self.write_config()
        for name, text in (rules or {}).items():
            self.write_rule(name, text)

    def write_config(self):
        # JSON is YAML: the daemon reads it as its configuration.
        self._replace(os.path.join(self.dir, "retraind.yaml"),
                      json.dumps(self.config, indent=2) + "\n")

    def write_rule(self, name, text):
        """Put a rule file in place by rename, as an editor does."""
        self._replace(os.path.join(self.rules_dir, name), text)

    def remove_rule(self, name):
        os.unlink(os.path.join(self.rules_dir, name))

    @staticmethod
    def _replace(path, text):
        fresh = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new")
        with open(fresh, "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(fresh, path)

    def env(self):
        keep = {k: v for k, v in os.environ.items()
                if k.endswith("SAN_OPTIONS") or k.startswith("RETRAIN")}
        return {**super().env(), **keep, "RETRAIND_DIR": self.dir}

    def argv(self):
        return [os.path.join(build_dir(), "retraind"), "--dir", self.dir]

    def ready(self):
        return self.http("GET", "/readyz", token=None)[0] == 200

    # The ends of a daemon.

    def kill9(self):
        return self.kill()

    def term(self):
        """A clean stop: exit 0 and no sanitizer report."""
        status = self.stop()
        assert status == 0, f"retraind ended with {status}\n{self.log_tail()}"
        self.check_log()

    def restart(self):
        self.term()
        return self.start()

    def check_log(self):
        text = self.log()
        for mark in REPORTS:
            at = text.find(mark)
            assert at < 0, f"sanitizer report of retraind:\n{text[max(0, at - 200):at + 4000]}"

    def __exit__(self, *exc):
        """A daemon that still runs is stopped cleanly unless the test failed."""
        try:
            if exc[0] is not None:
                print(self.log_tail(80), flush=True)
            elif self.proc is not None:
                self.term()
            self.check_log()
        finally:
            self.close()

    def close(self):
        if self.proc is not None:
            self.thaw()
            self.kill()
        # Shims and steps outlive the daemon by design, but not their test.
        wait_until(self._kill_steps, 20, "the steps of the test are gone")
        super().close()

    def _kill_steps(self):
        left = self.steps()
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not left

    def steps(self):
        """Pids of shims and steps that live now, whoever their parent is."""
        own = self.proc.pid if self.proc else None
        return [pid for pid in processes_under(self.dir) if pid != own]

    # HTTP.

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def token(self):
        with open(os.path.join(self.state_dir, "admin.token"), encoding="ascii") as f:
            return f.read().strip()

    def http(self, method, path, body=None, headers=None, token="admin", seconds=30):
        """(status, decoded JSON or text, headers); token: "admin", None or its text."""
        head = dict(headers or {})
        if token is not None:
            head["Authorization"] = f"Bearer {self.token() if token == 'admin' else token}"
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            head.setdefault("Content-Type", "application/json")
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            c.request(method, path, body, head)
            answer = c.getresponse()
            text = answer.read().decode("utf-8", "replace")
            try:
                value = json.loads(text)
            except ValueError:
                value = text
            return answer.status, value, dict(answer.getheaders())
        finally:
            c.close()

    def post_event(self, type_, data, id_, subject=None, source="/test", **extra):
        """One structured CloudEvent; returns the status and the answer."""
        event = {"specversion": "1.0", "type": type_, "id": id_, "source": source,
                 "data": data, **extra}
        if subject is not None:
            event["subject"] = subject
        return self.http("POST", "/api/v1/events", json.dumps(event),
                         {"Content-Type": "application/cloudevents+json"})[:2]

    def metrics(self):
        """{"name{labels}": value}, names as /metrics prints them."""
        text = self.http("GET", "/metrics")[1]
        rows = (line.rpartition(" ") for line in text.splitlines()
                if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in rows}

    # retrainctl.

    def ctl(self, *args, expect=0, data=None, seconds=60):
        """Run a verb over the socket; expect=None takes any exit status."""
        done = subprocess.run([os.path.join(build_dir(), "retrainctl"), *args], text=True,
                              input=data, capture_output=True, env=self.env(),
                              timeout=seconds, check=False)
        if expect is not None and done.returncode != expect:
            raise AssertionError(f"retrainctl {' '.join(args)}: exit {done.returncode}, "
                                 f"expected {expect}\n{done.stdout}{done.stderr}"
                                 f"{self.log_tail()}")
        return done

    def ctl_json(self, *args, expect=0):
        return json.loads(self.ctl(*args, "-o", "json", expect=expect).stdout)

    def runs(self, **want):
        """Runs whose fields have these values, oldest first as the API orders them."""
        return [r for r in self.ctl_json("get", "runs")
                if all(r.get(k) == v for k, v in want.items())]

    def decisions(self, **want):
        return [r for r in self.ctl_json("get", "decisions")
                if all(r.get(k) == v for k, v in want.items())]

    def source(self, name):
        return next(s for s in self.ctl_json("get", "sources") if s["name"] == name)

    def wait_connected(self, name):
        """From now on what is published there reaches the daemon."""
        self.wait(lambda: self.source(name)["connected"], f"source {name} is connected")

    def wait(self, cond, what, seconds=60):
        """wait_until() that fails at once when the daemon dies."""
        return wait_until(cond, seconds, what, watch=self)

    def wait_runs(self, count, seconds=60, **want):
        """Exactly `count` runs with these fields, at last."""
        def enough():
            found = self.runs(**want)
            return found if len(found) >= count else None
        found = self.wait(enough, f"{count} runs with {want}", seconds)
        assert len(found) == count, f"{len(found)} runs with {want}, expected {count}: {found}"
        return found
