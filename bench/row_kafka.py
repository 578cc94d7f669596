"""CPU time per Kafka event, from the broker's bytes to a committed decision.

The null broker sends 350-byte CloudEvents as fast as they are taken; the daemon, as users
run it, decides and commits with exactly-once on (FULL).  Beside it runs bench/consume.c:
the same library with the same settings on the same broker, which takes batches and does
nothing.  What is asked is the difference of the two, all threads counted; the window is
SECONDS long, after a warm-up that fills what is filled once.
"""
import time

import lib
from lib import NullBroker, Ratios, Result, Row, Service, limit, median

WARM, SECONDS = 1.5, 3.0
# As source/kafka_settings.c has them for this version of the library.
SETTINGS = ("queued.max.messages.kbytes=262144", "queued.min.messages=1000000",
            "receive.message.max.bytes=67108864", "socket.keepalive.enable=true",
            "enable.auto.commit=false", "enable.auto.offset.store=false",
            "auto.offset.reset=error", "enable.partition.eof=true", "check.crcs=true")
WALK = ("--walk", 0.03)     # limits are 0.01 apart: at most 3 are crossed by an event


def by_type(n):
    """Each rule listens to a type of its own; none of them ever fires."""
    return lib.rules_text([
        {"name": f"r{i}", "on": {"type": f"ml.metric.{i}", "key": "data.model"},
         "signals": {"v": {"value": "data.value", "tumbling": "10m"}},
         "when": f"v.avg > {i + 2}.5", "mode": "observe", "run": "noop"} for i in range(n)])


def limits(n):
    """One series, one signal, n limits; a crossing makes a rule pending, or not."""
    return lib.rules_text([
        {"name": f"r{i}", "on": {"type": "ml.metric.0"},
         "signals": {"v": {"value": "data.value", "last": 1}},
         "when": f"v.last > {(i - n / 2) / 100:.2f}", "for": "10h", "mode": "observe",
         "run": "noop"} for i in range(n)])


def daemon_ns(rules, journal, *args):
    """CPU per accepted event."""
    with NullBroker(*args) as b, Service(
            rules={"a.yaml": rules}, sources=[b.source(["load"], journal=journal)]) as s:
        lib.wait_until(lambda: s.accepted("kafka") > 0, 60, "events are taken", watch=s)
        time.sleep(WARM)    # a length of time is what is measured
        events, cpu = s.accepted("kafka"), lib.cpu_ns(s.pid)
        time.sleep(SECONDS)
        events, cpu = s.accepted("kafka") - events, lib.cpu_ns(s.pid) - cpu
        return cpu / events


def bare_ns(*args):
    with NullBroker(*args) as b:
        got = lib.call("consume", b.port, WARM, SECONDS, *SETTINGS)
        return got["cpu_ns"] / got["events"]


def over_bare(ctx, what, rules, journal, args, most_us):
    ours, bare = lib.interleave(ctx, what, lambda: daemon_ns(rules, journal, *args),
                                lambda: bare_ns(*args))
    over = [a - b for a, b in zip(ours, bare)]
    ratio = Ratios([a / b for a, b in zip(ours, bare)])
    ok, missed = limit([("CPU over bare", median(over) / 1000, most_us, "us")])
    return Result(f"{median(over) / 1000:.2f} us over", f"{median(bare) / 1000:.2f} us",
                  str(ratio), ok, missed,
                  [f"daemon {median(ours):.0f} ns per event ({min(ours):.0f}..{max(ours):.0f}),"
                   f" bare {median(bare):.0f} ({min(bare):.0f}..{max(bare):.0f})"],
                  {"daemon": ours, "bare": bare})


def one_ref(ctx):
    return over_bare(ctx, "1 rule, ref", by_type(1), "ref", (), 1.2)


def one_full(ctx):
    return over_bare(ctx, "1 rule, full", by_type(1), "full", (), 2.1)


def hundred(ctx):
    return over_bare(ctx, "100 rules", by_type(100), "ref", ("--types", 100), 1.6)


def against_one(ctx, what, many, one, args, one_args):
    return lib.interleave(ctx, what, lambda: daemon_ns(many, "ref", *args),
                          lambda: daemon_ns(one, "ref", *one_args))


def disjoint(ctx):
    ours, one = against_one(ctx, "10,000 rules", by_type(10_000), by_type(1),
                            ("--types", 10_000), ())
    ratio = Ratios([a / b for a, b in zip(ours, one)])
    ok, missed = limit([("10,000 rules to one", ratio.median, 2.5, "x")])
    return Result(f"{median(ours) / 1000:.2f} us", f"{median(one) / 1000:.2f} us (1 rule)",
                  str(ratio), ok, missed, numbers={"many": ours, "one": one})


def thresholds(ctx):
    ours, one = against_one(ctx, "10,000 limits", limits(10_000), limits(1), WALK, WALK)
    more = [a - b for a, b in zip(ours, one)]
    ok, missed = limit([("more than one limit", median(more) / 1000, 3, "us")])
    return Result(f"{median(more) / 1000:.2f} us more", f"{median(one) / 1000:.2f} us (1 limit)",
                  str(Ratios([a / b for a, b in zip(ours, one)])), ok, missed,
                  numbers={"many": ours, "one": one})


ROWS = [
    Row("kafka-ref", "Kafka to decision, 1 rule, journal: ref", "<= 1.2 us over bare",
        one_ref),
    Row("kafka-full", "Kafka to decision, 1 rule, journal: full", "<= 2.1 us over bare",
        one_full),
    Row("kafka-100", "Kafka to decision, 100 rules of a type each, journal: ref",
        "<= 1.6 us over bare", hundred),
    Row("kafka-10000", "10,000 disjoint rules on one stream", "<= 2.5 x the 1-rule row",
        disjoint),
    Row("kafka-limits", "10,000 limits on one series", "+ <= 3 us over one", thresholds),
]
