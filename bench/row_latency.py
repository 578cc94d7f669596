"""From the instant an event is sent to the instant its child process runs.

The null broker sends one trigger every 50 ms on its own schedule, whatever became of the
ones before, and the intended instant stands in the event; the child's first act is to
look at the same clock.  In between lie the wire, the decision, the fsynced commit of
event position, decision and run, and the start of the step through its shim.

The floor is bench/floor.c: it consumes with the same library and settings, commits one
row and spawns the same child through a shim that does nothing.  Daemon and floor take
turns; percentiles are of all their samples.
"""
import os
import subprocess
import tempfile

import lib
from lib import NullBroker, Ratios, Result, Row, Service, limit, percentile, wait_until

PER_ROUND = 150             # seven rounds: 1,050 samples
WARM = 20                   # the first ones pay for connections and cold caches
RATE = 20
LOAD = 100_000
P50, P99 = 1.3, 2.0
LOADED_MS = 15


def rules(path):
    return lib.json.dumps({
        "rules": [
            {"name": "go", "on": {"type": "trigger"}, "backoff": "off",
             "run": {"pipeline": "go", "params": {"sent": "${data.sent}"}}},
            {"name": "level", "on": {"type": "ml.metric.0", "key": "data.model"},
             "signals": {"v": {"value": "data.value", "tumbling": "1s"}},
             "when": "v.avg > 0.99", "mode": "observe", "run": "go"}],
        "pipelines": [
            {"name": "go", "params": {"sent": {"type": "string", "default": "0"}},
             "concurrency": {"limit": 50},
             "steps": [{"name": "child", "command": [lib.tool("child"), path,
                                                     "${params.sent}"]}]}]})


def samples(path, watch=None):
    """[ms], once every child has written; the warm-up is left out."""
    def lines():
        with open(path, encoding="ascii") as f:
            text = f.read()
        return text.count("\n") >= PER_ROUND + WARM and text
    text = wait_until(lines, 120, "every child has run", watch=watch)
    pairs = sorted(tuple(map(int, x.split())) for x in text.splitlines())
    assert len(pairs) == PER_ROUND + WARM, f"{len(pairs)} children"
    return [(now - sent) / 1e6 for sent, now in pairs[WARM:]]


def broker(load):
    return NullBroker("--trigger-rate", RATE, "--trigger-count", PER_ROUND + WARM,
                      "--rate", load or -1)


def daemon_round(load):
    with broker(load) as b, tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "children")
        topics = ["trigger", "load"] if load else ["trigger"]
        config = {"executors": {"local": {"kind": "process", "starts_per_second": 1000}}}
        with Service(rules={"a.yaml": rules(path)}, sources=[b.source(topics)],
                     config=config) as s:
            return samples(path, s)


def floor_round(load):
    with broker(load) as b, tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "children")
        proc = subprocess.Popen(
            [lib.tool("floor"), str(b.port), os.path.join(d, "db"),
             lib.tool("empty_shim"), lib.tool("child"), path,
             *(["load"] if load else [])])
        try:
            return samples(path)
        finally:
            proc.kill()
            proc.wait()


def measured(ctx, what, load):
    ours, theirs = lib.interleave(ctx, what, lambda: daemon_round(load),
                                  lambda: floor_round(load))
    ratios = {p: Ratios([percentile(a, p) / percentile(b, p)
                         for a, b in zip(ours, theirs)]) for p in (50, 99)}
    a, b = sum(ours, []), sum(theirs, [])
    points = {p: (percentile(a, p), percentile(b, p)) for p in (50, 90, 99, 99.9, 100)}
    details = [f"{len(a)} samples each; daemon / floor in ms: "
               + ", ".join(f"p{p:g} {x:.2f} / {y:.2f}" for p, (x, y) in points.items()),
               f"round by round: p50 {ratios[50]}, p99 {ratios[99]}"]
    return points, details, {"daemon": ours, "floor": theirs}


def texts(points):
    ratio = {p: points[p][0] / points[p][1] for p in (50, 99)}
    return [*(f"p50 {points[50][i]:.2f}, p99 {points[99][i]:.2f} ms" for i in (0, 1)),
            f"p50 {ratio[50]:.2f}, p99 {ratio[99]:.2f}"]


def idle(ctx):
    points, details, numbers = measured(ctx, "latency", 0)
    ok, missed = limit([(f"p{p}", points[p][0] / points[p][1], most, "x")
                        for p, most in ((50, P50), (99, P99))])
    return Result(*texts(points), ok, missed, details, numbers)


def loaded(ctx):
    points, details, numbers = measured(ctx, f"latency at {LOAD:,}/s", LOAD)
    ok, missed = limit([("p99", points[99][0], LOADED_MS, "ms")])
    return Result(*texts(points), ok, missed, details, numbers)


ROWS = [
    Row("latency", "event sent to child running, durable, idle daemon",
        f"p50 <= {P50} x, p99 <= {P99:g} x", idle),
    Row("latency-loaded", f"the same while {LOAD:,} events/s stream in",
        f"p99 <= {LOADED_MS} ms", loaded),
]
