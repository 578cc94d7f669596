"""One pass over all that the daemon does, short enough to be made once per failure.

    empty directory ─► events, a gate, retries, an abort, questions, reloads ─► kill -9
      ─► recovery, a held step, the sweep, pause ─► clean stop ─► start without faults
      ─► every run has ended ─► stop ─► the database is compared with what was asked for

The client is a real one: what was not answered it sends again under the same id.  When
the daemon ends, it must have said why; it is started again and the pass goes on.
"""
import collections
import http.client
import json
import os
import re
import signal
import sqlite3
import time

from harness import Daemon, wait_until
from harness.daemon import REPORTS
from harness.preload import preload_env

T0 = "2026-03-01T04:00:"
STEP = r'''echo "$RETRAIN_RUN $RETRAIN_STEP $RETRAIN_ATTEMPT" >> LEDGER; '''
RULES = r"""
rules:
  - name: each
    on: {type: load.*}
    mode: observe
    run: short
  - {name: gated, on: {type: load.gated}, key: event.subject, backoff: off, run: {
      pipeline: gated, params: {score: "${data.score}"}}}
  - {name: flaky, on: {type: load.flaky}, backoff: off, run: flaky}
  - {name: long, on: {type: load.long}, backoff: off, run: long}
  - name: level
    on: {type: load.value}
    signals:
      v: {value: data.value, tumbling: 5s}
    when: v.avg > 50.0
    mode: observe
    run: short
  - {name: tick, schedule: {every: 1s, catch_up: all}, mode: observe, run: short}
  - {name: ended, on: {type: retraind.run.*}, mode: observe, run: short}
pipelines:
  - name: gated
    model: m
    params: {score: {type: double, default: 0.5}}
    steps:
      - {name: train, command: [sh, -c, 'STEP echo "{\"score\":$${RETRAIN_PARAM_SCORE}}" >
          "$RETRAIN_METRICS"; echo data > "$RETRAIN_ARTIFACTS/model.bin"']}
      - {name: gate, needs: train, gate: "!has(champion.metrics.score) ||
          steps.train.metrics.score > champion.metrics.score"}
      - {name: deploy, needs: gate, command: [sh, -c, 'STEP true']}
    on_success: {promote: {version: "${run.id}", metrics: "${steps.train.metrics}"}}
    ENV
  - name: flaky
    steps:
      - {name: fit, retry: {attempts: 2, backoff: 50ms}, command: [sh, -c,
          'STEP head -c 2097152 /dev/zero > "$RETRAIN_ARTIFACTS/x"; echo tried;
          test "$RETRAIN_ATTEMPT" = 2']}
    ENV
  - name: long
    steps:
      - {name: fit, command: [sh, -c, 'STEP echo begun; sleep 600']}
    ENV
  - name: hold
    steps:
      - {name: fit, command: [sh, -c,
          'STEP until test -e GATE; do sleep 0.02; done; exit 3']}
    ENV
  - name: short
    steps: [{name: fit, command: [sh, -c, 'STEP true']}]
    ENV
"""
LATER = """
rules:
  - {name: later, on: {type: later}, mode: observe, run: short}
"""
OLD = ["each", "ended", "flaky", "gated", "level", "long", "tick"]
NEW = sorted([*OLD, "later"])
# What must come of it: (rule or pipeline, state, outcome) of every run.
RUNS = [("flaky", "completed", "none"), ("gated", "completed", "promoted"),
        ("gated", "completed", "rejected"), ("hold", "failed", None),
        ("long", "aborted", None)]
# The window that closes is above 50 once: (second, value).
VALUES = [(0, 60), (1, 70), (6, 10), (7, 20), (12, 30)]
# How GLib, libev and CHECK() end a process that has no memory or no descriptor.
BY_DESIGN = re.compile(r"failed to allocate|GLib-ERROR|\(libev\)|broken invariant")


class Victim(Daemon):
    """The daemon under a plan; without one, as users run it."""

    def __init__(self, plan_of, program, mqtt):
        super().__init__(sources=[
            {"name": "sensors", "kind": "mqtt", "url": mqtt.url}] if mqtt else [], config={
            "rules": {"settle": "100ms"}, "runs": {"keep_bytes": "1Mi", "min_free": 0},
            "limits": {"mutations_per_second": 1000},
            "executors": {"local": {"kind": "process", "starts_per_second": 100,
                                    "env": ["LD_PRELOAD", "FAULT_FILE", "ASAN_OPTIONS"]}}
            if program == "retrain-shim" else {}})
        self.topic = os.path.basename(self.dir)     # its own, at a broker for all passes
        if mqtt:
            self.config["sources"][1]["topics"] = [self.topic]
            self.write_config()
        self.reports = os.path.join(self.dir, "report")
        self.plan = plan_of(os.path.join(self.dir, "plan"), program)
        self.armed = True

    def env(self):
        env = super().env()
        if self.armed:
            env.update(preload_env(self.plan))
            env["ASAN_OPTIONS"] += f":log_path={self.reports}"
        return env

    def check_reports(self):
        for name in os.listdir(self.dir):
            if name.startswith("report."):
                with open(os.path.join(self.dir, name), encoding="utf-8") as f:
                    text = f.read()
                if any(mark in text for mark in REPORTS):
                    raise AssertionError("sanitizer report:\n" + text[:6000])
        self.check_log()


class Pass:
    """exact: no fault is expected, so each answer must be the right one at once.
    mqtt: a broker, for some of the events."""

    def __init__(self, plan_of, program="retraind", exact=False, may_abort=False,
                 mqtt=None):
        self.exact, self.may_abort, self.mqtt = exact, may_abort, mqtt
        self.daemon_alone = program == "retraind"
        self.d = d = Victim(plan_of, program, mqtt)
        self.ledger, self.gate = os.path.join(d.dir, "ledger"), os.path.join(d.dir, "gate")
        env = ('env: {LD_PRELOAD: "", ASAN_OPTIONS: detect_leaks=0}'
               if program == "retrain-shim" else "")
        text = RULES
        for name, value in (("STEP", STEP), ("LEDGER", self.ledger), ("GATE", self.gate),
                            ("    ENV\n", f"    {env}\n" if env else "")):
            text = text.replace(name, value)
        d.write_rule("a.yaml", text)
        self.events, self.ends, self.seen_log, self.odd = [], [], 0, []

    # ---- the daemon's ends ----

    def new_log(self):
        text = self.d.log()
        fresh, self.seen_log = text[self.seen_log:], len(text)
        return fresh

    def ended(self, status, stopping=False):
        """It has ended: by our wish, or because of the fault and saying why."""
        text = self.new_log()
        self.ends.append(status)
        self.d.check_reports()
        if status == 0 and stopping:
            return
        assert not self.exact, f"it ended with {status}"
        assert self.d.plan.delivered, f"it ended with {status} before any fault\n{text}"
        if status < 0:
            assert self.may_abort and -status in (signal.SIGABRT, signal.SIGTRAP) \
                and BY_DESIGN.search(text), f"signal {-status}"
        else:
            assert status in (1, 2), f"exit status {status}"
            why = os.strerror(max(self.d.plan.error, 0))
            assert "level=error" in text or why in text, f"exit {status} without an error"

    def up(self):
        """Start it, and once more after each fault that ends the start."""
        for _ in range(4):
            self.d.spawn()
            if self.reaches(self.ready):
                return
        raise AssertionError(f"it does not start, ended with {self.ends}")

    def ready(self):
        """A rule file that could not be read leaves it without rules; it says so, and
        somebody asks for a reload."""
        status, answer, _ = self.d.http("GET", "/readyz", token=None)
        if status == 503 and any("no rule set" in r for r in answer["reasons"]):
            self.d.http("POST", "/api/v1/reload", {})
        return status == 200

    def reaches(self, cond, what="it answers", seconds=40):
        """True: cond() holds; False: the daemon has ended instead."""
        d, end = self.d, time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if cond():
                    return True
            except (OSError, ValueError, LookupError, http.client.HTTPException):
                pass
            try:
                d.pause(0.01)
            except RuntimeError:
                status = d.proc.returncode
                os.close(d._pidfd)
                d.proc = d._pidfd = None
                self.ended(status)
                return False
        raise AssertionError(f"not within {seconds} s: {what}")

    def until(self, cond, what, seconds=40):
        while not self.reaches(cond, what, seconds):
            self.up()

    # ---- the client ----

    def ask(self, method, path, body=None, ok=(200,), key=None, type_=None):
        """Ask until the answer is one of `ok`."""
        head = {"Content-Type": type_} if type_ else {}
        if key:
            head["Idempotency-Key"] = key
        got = []

        def once():
            status, answer, _ = self.d.http(method, path, body, head, seconds=10)
            got[:] = [status, answer]
            if status not in ok:
                assert not self.exact, f"{method} {path}: {status} {answer}"
                self.odd.append((status, path))
            return status in ok
        self.until(once, f"{method} {path}: {ok}, last {got}")
        return got[1]

    def get(self, path, ok=(200,)):
        return self.ask("GET", "/api/v1" + path, ok=ok)

    def event(self, type_, data, second=0, count=True, **extra):
        id_ = f"e{len(self.events) + 1}"
        if count:
            self.events.append(id_)
        return {"specversion": "1.0", "id": id_, "source": "/t", "type": type_,
                "time": f"{T0}{second:02}Z", "data": data, **extra}

    def send(self, event):
        self.ask("POST", "/api/v1/events", json.dumps(event), (202,),
                 type_="application/cloudevents+json")

    def publish(self, count):
        """The broker has them once the daemon has been there: it keeps its session."""
        if not self.mqtt:
            return
        self.until(lambda: all(s["connected"] for s in self.get("/sources")
                               if s["name"] == "sensors"), "the source is connected")
        self.mqtt.publish_lines(self.d.topic, [
            json.dumps(self.event("load.sensor", {"n": n})) for n in range(count)])

    def runs(self, pipeline):
        return [r for r in self.get("/runs") if r["pipeline"] == pipeline]

    def has(self, pipeline, *states):
        runs = self.runs(pipeline)
        return runs and all(r["state"] in states for r in runs)

    def wait_has(self, pipeline, *states):
        self.until(lambda: self.has(pipeline, *states), f"{pipeline} is {states}")

    def wait_begun(self, pipeline):
        """Its step runs: a start that could not be made is made again in a while."""
        def begun():
            with open(self.ledger, encoding="ascii") as f:
                return f"{pipeline}-" in f.read() or self.has(pipeline, "failed")
        self.until(begun, f"{pipeline} has begun")

    # ---- the pass ----

    def first_life(self):
        self.up()
        batch = [self.event("load.value", {"value": v}, s) for s, v in VALUES[:3]]
        self.ask("POST", "/api/v1/events", json.dumps(batch), (202,),
                 type_="application/cloudevents-batch+json")
        self.send(self.event("load.gated", {"score": 0.7}, subject="k"))
        self.send(batch[1])                                     # a duplicate
        self.ask("POST", "/api/v1/events", "{not json", (400,),
                 type_="application/cloudevents+json")
        self.send(self.event("load.long", {}))
        self.send(self.event("load.flaky", {}))
        self.publish(3)
        for second, value in VALUES[3:]:
            self.send(self.event("load.value", {"value": value}, second))
        self.questions()
        self.wait_begun("long")
        self.ask("POST", f"/api/v1/runs/{self.runs('long')[0]['id']}/abort",
                 {"reason": "enough"}, (200, 202, 409), key="abort-1")
        self.reloads()
        self.publish(2)
        self.wait_has("gated", "completed", "failed")
        self.send(self.event("load.gated", {"score": 0.6}, subject="k"))
        self.ask("POST", "/api/v1/pipelines/hold/run", {"params": {}}, key="hold-1")
        self.wait_begun("hold")

    def questions(self):
        for path in ("/rules", "/rules/level", "/decisions", "/sources", "/pipelines",
                     "/dues", "/quarantine", "/audit", "/events",
                     "/explain?rule=each&event=e1", "/explain?rule=level"):
            self.get(path, (200, 404))
        self.ask("GET", "/metrics")

    def logs(self):
        for pipeline in ("long", "flaky"):
            self.wait_has(pipeline, "aborted", "completed", "failed")
            run = self.runs(pipeline)[0]["id"]
            self.get(f"/runs/{run}")
            self.get(f"/runs/{run}/logs", (200, 404))

    def reloads(self):
        self.whole(OLD)
        self.d.write_rule("b.yaml", LATER)
        self.ask("POST", "/api/v1/reload", {})
        self.whole(NEW)
        self.d.write_rule("c.yaml", "rules: [{name: x, on: ]\n")
        self.ask("POST", "/api/v1/reload", {}, (422,))
        self.whole(NEW)
        self.d.remove_rule("c.yaml")
        self.ask("POST", "/api/v1/reload", {})
        self.whole(NEW)

    def whole(self, want):
        """The set that was asked for; while it may be reloading by itself, a whole one."""
        names = sorted(r["name"] for r in self.get("/rules"))
        assert names in (OLD, NEW), f"half a rule set: {names}"
        self.until(lambda: sorted(r["name"] for r in self.get("/rules")) == want,
                   f"rules {want}, now {names}")

    def second_life(self):
        if self.d.proc:
            self.d.kill9()
            self.new_log()
        self.up()
        began = time.monotonic()
        self.logs()
        self.ask("POST", "/api/v1/pause", {}, key="pause-1")
        self.ask("POST", "/api/v1/resume", {}, key="resume-1")
        with open(self.gate, "w", encoding="ascii"):
            pass
        self.wait_has("hold", "failed")
        self.questions()
        self.sweep(began)
        self.stop()

    def sweep(self, began):
        """The 2 MiB go, a second after the start; a sweep that failed waits longer."""
        runs = os.path.join(self.d.state_dir, "runs")
        gone = lambda: sum(os.path.exists(f"{runs}/{k}/artifacts/x")  # noqa: E731
                           for k in os.listdir(runs)) == 0
        try:
            wait_until(gone, 20 if self.exact else max(1, began + 2.5 - time.monotonic()))
        except AssertionError:
            assert not self.exact, "the directories of ended runs are there"

    def stop(self):
        self.d.signal(signal.SIGTERM)
        self.ended(self.d.wait_exit(), stopping=True)

    def last_life(self):
        self.d.armed = False
        self.up()
        rows = lambda sql: self.rows(sql)[0][0]             # noqa: E731
        wait_until(lambda: rows("SELECT count(*) FROM run WHERE finished IS NULL") == 0,
                   40, "every run has ended", self.d)
        wait_until(lambda: rows("SELECT count(*) FROM decision WHERE rule='each'") >= len(
            self.events), 40, "every event is decided", self.d)
        wait_until(lambda: rows(
            "SELECT count(*) FROM decision WHERE rule='ended'") == rows(
            "SELECT count(*) FROM outbox WHERE type LIKE 'retraind.run.%'"), 20,
            "every event of ours is decided", self.d)
        self.whole(NEW)
        self.stop()

    def run(self):
        try:
            self.first_life()
            self.second_life()
            self.last_life()
            self.check()
        except BaseException as e:
            text = self.d.log_tail(40)
            trace = self.d.plan.trace() if self.d.plan.delivered else ""
            raise AssertionError(f"{self.d.plan}: {e}\n{trace}\n{text}") from e
        finally:
            self.d.close()

    # ---- what was left ----

    def rows(self, sql):
        db = sqlite3.connect(f"file:{self.d.database}?mode=ro", uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def equal(self, want, got, what):
        assert want == got, f"{what}: expected {want}, got {got}"

    def check(self):
        self.d.check_reports()
        self.equal([("ok",)], self.rows("PRAGMA quick_check"), "quick_check")
        self.equal({e: 1 for e in self.events}, dict(self.rows(
            "SELECT event, count(*) FROM decision WHERE rule='each' GROUP BY event")),
            "each event is decided once")
        self.equal([("flaky", "fired", 1), ("gated", "fired", 2), ("level", "observed", 1),
                    ("long", "fired", 1)], self.rows(
            "SELECT rule, outcome, sum(count) FROM decision WHERE rule IN "
            "('flaky','gated','level','long') GROUP BY rule, outcome ORDER BY rule"),
            "decisions")
        self.check_runs()
        self.check_ticks()
        self.check_ledger()

    def check_runs(self):
        runs = self.rows("SELECT pipeline, state, outcome, reason FROM run")
        self.equal(sorted(r[0] for r in RUNS), sorted(r[0] for r in runs), "runs")
        got = sorted(tuple(r[:3]) for r in runs)
        if self.daemon_alone:       # no fault of the daemon is one of a step
            self.equal(sorted(RUNS, key=str), sorted(got, key=str), "how runs ended")
        for pipeline, state, outcome, reason in runs:
            right = [r for r in RUNS if r[0] == pipeline]
            assert (pipeline, state, outcome) in right or reason, \
                f"{pipeline} {state} {outcome} without a reason"
        for pipeline, step, name in (("gated", "train", "model.bin"),
                                     ("flaky", "fit", "x")):
            for state, artifacts in self.rows(
                    "SELECT step.state, artifacts FROM step JOIN run ON run.id=step.run "
                    f"WHERE pipeline='{pipeline}' AND step.name='{step}'"):
                assert state == "failed" or f'"{name}"' in artifacts, \
                    f"{pipeline}.{step} {state} with {artifacts}"
        ids = self.rows("SELECT count(*), count(DISTINCT json_extract(json,'$.id')) "
                        "FROM outbox WHERE type LIKE 'retraind.run.%'")[0]
        ended = self.rows("SELECT count(*), count(DISTINCT event) FROM decision "
                          "WHERE rule='ended'")[0]
        self.equal(ended[0], ended[1], "our own events, each once")
        assert ids[0] == ended[0], f"our own events: {ids}, decided {ended}"

    def check_ticks(self):
        due = [t for t, in self.rows(
            "SELECT due_ms FROM due JOIN rule ON rule.id=due.rule WHERE rule.name='tick'"
            " ORDER BY due_ms")]
        assert due or not self.exact, "a tick"      # a pass may be over before
        self.equal([due[0] + 1000 * i for i in range(len(due))] if due else [], due,
                   "due times")
        self.equal([(t, 1) for t in due], self.rows(
            "SELECT due_ms, sum(count) FROM decision WHERE rule='tick' GROUP BY due_ms "
            "ORDER BY due_ms"), "decisions of due times")

    def check_ledger(self):
        """What the steps themselves wrote: none ran twice under one attempt."""
        with open(self.ledger, encoding="ascii") as f:
            lines = collections.Counter(f.read().splitlines())
        twice = [x for x, n in lines.items() if n > 1]
        assert not twice, f"steps started twice: {twice}"
        if self.daemon_alone:
            self.equal(7, len(lines), "attempts")
