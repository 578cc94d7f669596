"""Memory: the idle daemon, a loaded rule, a key with a tumbling or a sliding window.

What a rule and a key cost are slopes between two daemons, so that what the libraries
take stands in neither.  A rule set is built beside the old one and then swapped, so a
daemon that has reloaded keeps what malloc did not give back: the slope of rules is taken
from daemons that start with them.
"""
import subprocess

import lib
from lib import Result, Row, Service, limit, median, memory, wait_until

RULES = 10_000
KEYS_LOW, KEYS_HIGH = 10_000, 110_000
SLIDING_LOW, SLIDING_HIGH = 2_000, 20_000
MIB = 1 << 20


def rule(i):
    """Each its own type and limit, as ten thousand real ones would have."""
    return {"name": f"drift-{i}", "on": {"type": f"ml.metric.{i}", "key": "data.model"},
            "signals": {"v": {"value": "data.value", "tumbling": "1h"}},
            "when": f"v.avg > {i}.5", "mode": "observe", "run": "noop"}


def rule_files(n, make=rule, per_file=1000):
    """{file: text}: a file has at most 4 MiB; the pipeline has one of its own."""
    files = {"noop.yaml": lib.rules_text([])}
    for at in range(0, n, per_file):
        files[f"r{at:06}.json"] = lib.json.dumps(
            {"rules": [make(i) for i in range(at, min(n, at + per_file))]})
    return files


def settled(service):
    """Memory once nothing changes it any more: the same twice."""
    seen = []

    def same():
        seen.append(memory(service.pid))
        return len(seen) > 2 and seen[-1] == seen[-2] == seen[-3]

    wait_until(same, 30, "memory has settled", watch=service, every=0.25)
    return seen[-1]


def start_with(files):
    with Service(rules=files) as s:
        return settled(s)


def idle(ctx):
    """Connected to a Kafka and an MQTT broker that have nothing to say."""
    got = []
    with lib.NullBroker("--rate", -1) as kafka, lib.Mosquitto(persistence=False) as mqtt:
        sources = [kafka.source(["load"]), {"name": "mqtt", "kind": "mqtt",
                                            "url": mqtt.url, "topics": ["t"]}]
        for i in range(3):
            ctx.note(f"idle: {i + 1} of 3")
            with Service(rules={"noop.yaml": lib.rules_text([])}, sources=sources) as s:
                s.wait_connected("kafka")
                s.wait_connected("mqtt")
                got.append(settled(s))
    anon = median([m["anon"] for m in got]) / MIB
    rss = median([m["rss"] for m in got]) / MIB
    ok, missed = limit([("RssAnon", anon, 8, "MiB"), ("RSS", rss, 28, "MiB")])
    return Result(f"RssAnon {anon:.1f} MiB, RSS {rss:.1f} MiB", "libraries: 2.4 and 15.6",
                  f"{anon / 2.4:.1f} and {rss / 15.6:.1f}", ok, missed,
                  numbers={"all": got})


def per_rule(ctx):
    ctx.note("rules: none")
    none = start_with(rule_files(0))
    ctx.note(f"rules: {RULES}")
    many = start_with(rule_files(RULES))
    anon = (many["anon"] - none["anon"]) / RULES
    ok, missed = limit([("a rule", anon, 8192, "B")])
    return Result(f"{anon:.0f} B", "", "", ok, missed,
                  [f"one tumbling average each, its own type; {RULES} rules: RssAnon "
                   f"{many['anon'] / MIB:.1f} MiB, without: {none['anon'] / MIB:.1f}"],
                  {"none": none, "many": many})


def keys_of(service):
    return service.metrics().get('retraind_rule_keys{rule="keyed"}', 0)


def key_slope(ctx, signal, low, high, rounds, step=lambda keys: 0):
    """RssAnon of `high` keys less that of `low` ones, every key fed `rounds` times."""
    text = lib.rules_text([{
        "name": "keyed", "on": {"type": "load", "key": "data.key", "lateness": "365d"},
        "max_keys": 1_000_000,
        "signals": {"v": {"value": "data.value", **signal}}, "when": "v.avg > 2.0",
        "mode": "observe", "run": "noop"}])
    got = {}
    for keys in (low, high):
        ctx.note(f"keys: {keys}")
        source = {"name": "plain", "kind": "http", "journal": "off"}
        with Service(rules={"a.yaml": text}, sources=[source]) as s:
            lib.load_http(s, clients=4, batch=500, count=keys * rounds, keys=keys,
                          step=step(keys))
            assert keys_of(s) == keys, f"{keys_of(s)} keys, not {keys}"
            got[keys] = settled(s)
    return (got[high]["anon"] - got[low]["anon"]) / (high - low), got


def told(got):
    return ([f"{k} keys: RssAnon {v['anon'] / MIB:.1f} MiB" for k, v in got.items()],
            {str(k): v for k, v in got.items()})


def tumbling(ctx):
    size, got = key_slope(ctx, {"tumbling": "1h"}, KEYS_LOW, KEYS_HIGH, 2)
    ok, missed = limit([("a key", size, 320, "B")])
    return Result(f"{size:.0f} B", "", "", ok, missed,
                  *told(got))


def sliding(ctx):
    """Every pane of every key is filled: 60 minutes, an event a minute for each key."""
    panes = 60
    size, got = key_slope(ctx, {"over": "1h"}, SLIDING_LOW, SLIDING_HIGH, panes,
                          lambda keys: 60_000 // keys)
    ok, missed = limit([("a key", size, 2048, "B")])
    return Result(f"{size:.0f} B", "", "", ok, missed,
                  *told(got))


def kinds(ctx):
    """A world in virtual time (bench/keys.c), a process for each kind of signal."""
    ctx.note("kinds: a million keys of each")
    done = subprocess.run([lib.tool("keys"), "1000000"], text=True, capture_output=True,
                          timeout=1800, check=True)
    got = {}
    for line in done.stdout.splitlines():
        words = line.split()
        got[words[0]] = {"key": int(words[1]), "cells": int(words[4]),
                         "rss_mib": float(words[6])}
    assert "sliding+cusum" in got, done.stderr
    most = got["sliding+cusum"]["rss_mib"]
    ok, missed = limit([("RSS", most, 512, "MiB")])
    return Result(f"{most:.0f} MiB", "", "", ok, missed,
                  [f"{kind}: {v['key']} B a key, {v['cells']} B of them in cells"
                   for kind, v in got.items()], got)


ROWS = [
    Row("memory-idle", "idle daemon, a Kafka and an MQTT source",
        "RssAnon <= 8 MB, RSS <= 28 MB", idle),
    Row("memory-rule", "memory per loaded rule", "<= 8 KB", per_rule),
    Row("memory-tumbling", "memory per key with one tumbling window", "<= 320 B",
        tumbling),
    Row("memory-sliding", "memory per key with one 60-pane sliding window", "<= 2 KB",
        sliding),
    Row("memory-kinds", "1,000,000 keys with a sliding window and a CUSUM each",
        "RSS <= 512 MiB", kinds),
]
