"""Durable decisions per second over HTTP, beside what the disk can make durable.

Each event is decided (`mode: observe` leaves a row) and answered after the fsynced commit
that covers it.  One by one with 64 clients, a commit covers what was waiting; in batches
of 500 a request is one commit at least.  fdatasync of 4 KiB runs on the same disk between
the rounds.
"""
import os

import lib
from lib import Ratios, Result, Row, Service, median

SECONDS = 2
BATCH = 500

RULES = lib.rules_text([{"name": "every", "on": {"type": "load"}, "key": "data.key",
                         "mode": "observe", "run": "noop"}])


def load(service, clients, batch):
    got = lib.load_http(service, clients=clients, batch=batch, seconds=SECONDS)
    return {**got, "rate": got["events"] / got["wall_ns"] * 1e9}


def fsyncs(service):
    got = lib.call("fsync", os.path.join(service.state_dir, "fsync"), SECONDS)
    return {**got, "rate": got["syncs"] / got["wall_ns"] * 1e9}


def spread(got):
    p50, p99 = (median([x[name] for x in got]) / 1e3 for name in ("p50_us", "p99_us"))
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms"


def measured(ctx, what, clients, batch):
    with Service(rules={"a.yaml": RULES}) as s:
        before = s.accepted("http")
        got, disk = lib.interleave(ctx, what, lambda: load(s, clients, batch),
                                   lambda: fsyncs(s))
        events = s.accepted("http") - before
        rows = s.metrics()['retraind_decisions_total{rule="every",outcome="observed"}']
        assert rows == events == sum(x["events"] for x in got), (rows, events)
    rate = median([x["rate"] for x in got])
    syncs = median([x["rate"] for x in disk])
    ratios = Ratios([a["rate"] / b["rate"] for a, b in zip(got, disk)])
    return Result(f"{rate:,.0f}/s", f"{syncs:,.0f} fdatasync/s", str(ratios), None, "",
                  [f"{clients} clients: {spread(got)}; fdatasync: {spread(disk)}"],
                  {"http": got, "disk": disk})


ROWS = [
    Row("http-single", "durable decisions per second, HTTP, one by one, 64 clients",
        "beside fdatasync/s", lambda ctx: measured(ctx, "http one by one", 64, 1)),
    Row("http-batch",
        f"durable decisions per second, HTTP, batches of {BATCH}, 4 clients",
        "beside fdatasync/s", lambda ctx: measured(ctx, "http batches", 4, BATCH)),
]
