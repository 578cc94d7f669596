"""Events per second and core of a backtest over a file.

A million events of 310 bytes, 50 keys, one rule with a sliding window, against the same
pass with a rule that none of them matches: what reading and checking the bytes costs.
Seconds are those of the CPU, so that other work on the machine does not count.
"""
import datetime
import os
import random
import resource
import subprocess
import tempfile

import lib
from lib import Result, Row, median

EVENTS = 1_000_000
LEAST = 300_000
RULES = """
rules:
  - name: psi
    on: {type: %s, where: data.name == "psi"}
    key: data.model
    signals: {psi: {value: data.value, over: 6h, min_count: 30}}
    when: psi.avg > 0.2
    for: 30m
    cooldown: 12h
    run: train
pipelines:
  - {name: train, steps: [{name: t, command: ["true"]}]}
"""
LINE = ('{"specversion":"1.0","id":"m-%d","source":"/serving/eu-west","type":"ml.metric",'
        '"subject":"model-%d","time":"%sZ","datacontenttype":"application/json","data":'
        '{"name":"psi","model":"model-%d","feature":"amount","value":%.4f,"window":{"from":'
        '"2026-01-01T00:00:00Z","n":1000},"host":"serving-%d"}}\n')


def write_events(path):
    rng, start = random.Random(2), datetime.datetime(2026, 1, 1)
    with open(path, "w", encoding="ascii") as f:
        for i in range(EVENTS):
            at = start + datetime.timedelta(seconds=2 * i)
            f.write(LINE % (i, i % 50, at.isoformat(timespec="milliseconds"), i % 50,
                            rng.gauss(0.1, 0.03), i % 7))


def cpu_seconds(rules, events):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([os.path.join(lib.build_dir(), "retrainctl"), "backtest", rules,
                    "--from-file", events, "-o", "json"], check=True,
                   stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def backtest(ctx):
    took = {"ml.metric": [], "other": []}
    with tempfile.TemporaryDirectory() as d:
        write_events(f"{d}/e.jsonl")
        for kind in took:
            with open(f"{d}/{kind}.yaml", "w", encoding="utf-8") as f:
                f.write(RULES % kind)
        for n in range(ctx.rounds):
            ctx.note(f"backtest: round {n + 1} of {ctx.rounds}")
            for kind, v in took.items():
                v.append(EVENTS / cpu_seconds(f"{d}/{kind}.yaml", f"{d}/e.jsonl"))
    rate, floor = (median(v) for v in took.values())
    missed = "" if rate >= LEAST else f"{rate / LEAST:.2f} of {LEAST:,}/s"
    details = [f"least {min(took['ml.metric']):.0f}/s, most {max(took['ml.metric']):.0f}/s"]
    return Result(f"{rate:.0f}/s", f"{floor:.0f}/s without a match", f"{rate / floor:.2f}",
                  not missed, missed, details, took)


ROWS = [Row("backtest", "events per second and core of a backtest",
            f">= {LEAST:,}/s", backtest)]
