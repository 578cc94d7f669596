"""kill -9, a new process, and how long until it consumes again.

From the exec of the new process to the first event that it has committed: over HTTP the
first 202, from Kafka the first counted event.  The floor is the same daemon with one rule
and no keys, killed and started in turn with the full one.
"""
import time

import lib
from lib import NullBroker, Ratios, Result, Row, Service, limit, median
from row_memory import rule_files

RULES = 1_000
KEYS = 100_000
MOST_MS = 500
DEADLINE_S = 60


def rule(i):
    on = {"type": "load", "key": "data.key"} if i == 0 else \
        {"type": f"ml.metric.{i}", "key": "data.model"}
    return {"name": "keyed" if i == 0 else f"drift-{i}", "on": on, "max_keys": 1_000_000,
            "signals": {"v": {"value": "data.value", "tumbling": "1h"}},
            "when": f"v.avg > {i + 2}.5", "mode": "observe", "run": "noop"}


def spinning(answer, what):
    """Ask again at once, without the pauses of a harness: they would be measured too."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        try:
            if answer():
                return
        except OSError:
            time.sleep(0.001)       # not listening yet
    raise RuntimeError(f"{what}: not within {DEADLINE_S} s")


def again(service, answer, what):
    """kill -9, start; ms from the start to the first answer."""
    service.kill9()
    began = time.monotonic_ns()
    service.spawn()
    spinning(answer, what)
    return (time.monotonic_ns() - began) / 1e6


def http_again(service, n):
    def post():
        data = {"key": "k1", "value": 0.5}
        return service.post_event("load", data, f"again-{n}")[0] == 202
    return again(service, post, "an event over HTTP is committed")


def kafka_again(service):
    return again(service, lambda: service.accepted("kafka") > 0,
                 "an event of Kafka counts")


def fill(service):
    lib.load_http(service, clients=4, batch=500, count=2 * KEYS, keys=KEYS)
    keys = service.metrics().get('retraind_rule_keys{rule="keyed"}')
    assert keys == KEYS, keys


def restart(ctx):
    with NullBroker("--rate", 1000) as broker, \
            Service(rules=rule_files(RULES, rule),
                    sources=[broker.source(["load"])]) as full, \
            Service(rules=rule_files(1, rule), sources=[broker.source(["load"])]) as bare:
        ctx.note(f"restart: {KEYS} keys")
        fill(full)
        count = iter(range(1 << 30))
        http = lib.interleave(ctx, "restart over HTTP",
                              lambda: http_again(full, next(count)),
                              lambda: http_again(bare, next(count)))
        kafka = lib.interleave(ctx, "restart on Kafka", lambda: kafka_again(full),
                               lambda: kafka_again(bare))
    ms = {"HTTP": median(http[0]), "Kafka": median(kafka[0])}
    floor = {"HTTP": median(http[1]), "Kafka": median(kafka[1])}
    worse = max(ms, key=ms.get)
    pairs = http if worse == "HTTP" else kafka
    ok, missed = limit([(k, v, MOST_MS, "ms") for k, v in ms.items()])
    return Result(", ".join(f"{k} {v:.0f} ms" for k, v in ms.items()),
                  ", ".join(f"{k} {v:.0f} ms" for k, v in floor.items()),
                  str(Ratios([a / b for a, b in zip(*pairs)])), ok, missed,
                  [f"over {k}: {min(v[0]):.0f}..{max(v[0]):.0f} ms, one rule without "
                   f"keys {min(v[1]):.0f}..{max(v[1]):.0f} ms"
                   for k, v in (("HTTP", http), ("Kafka", kafka))],
                  {"http": http, "kafka": kafka})


ROWS = [Row("restart", "kill -9 to consuming again, 1,000 rules and 100,000 keys",
            f"<= {MOST_MS} ms", restart)]
