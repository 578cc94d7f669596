"""How long events stop flowing while 10,000 rules are replaced.

Four clients post events one by one and each answer stands for a commit, so the longest
silence between two answers is how long nothing flowed.  Beside it stands the longest
silence of the same stream while nothing is loaded: commits and the scheduler are in both.
A reload that changes one rule and one that changes all of them take turns.
"""
import json
import subprocess
import time

import lib
import row_memory
from lib import Result, Row, Service, limit, median, wait_until
from row_memory import rule_files

RULES = 10_000
SECONDS = 4
AFTER_NS = 300_000_000      # what a reload leaves to be done: the old set is freed
MOST_MS = 20


def rule(shift):
    def make(i):
        # Windows are kept where the definition stays, so only limits change.
        return {**row_memory.rule(i), "when": f"v.avg > {i + shift(i)}.5"}
    return make


def write_rules(service, shift):
    for name, text in rule_files(RULES, rule(shift)).items():
        service.write_rule(name, text)


def stream(service):
    return subprocess.Popen(
        [lib.tool("http_load"), "--port", str(service.port), "--token-file",
         service.token_file, "--clients", "4", "--seconds", str(SECONDS), "--gap", "1"],
        stdout=subprocess.PIPE, text=True)


def one(service, shift):
    """In ms: (longest silence during the reload, longest beside it, until the answer)."""
    before = service.accepted("http")
    write_rules(service, shift)
    load = stream(service)
    wait_until(lambda: service.accepted("http") > before + 100, 20, "events flow")
    asked = time.monotonic_ns()
    status, answer, _ = service.http("POST", "/api/v1/reload")
    answered = time.monotonic_ns()
    assert status == 200 and answer["ok"], answer
    got = json.loads(load.communicate(timeout=60)[0])
    assert got["refused"] == 0, got
    during, beside = [0.0], [0.0]
    for begin, length in got["gaps"]:
        inside = begin + length > asked and begin < answered + AFTER_NS
        (during if inside else beside).append(length / 1e6)
    return max(during), max(beside), (answered - asked) / 1e6


def reload(ctx):
    got = {"one": [], "all": []}
    with Service(rules=rule_files(RULES, rule(lambda i: 0)),
                 config={"rules": {"watch": False}}) as s:
        for n in range(ctx.rounds):
            ctx.note(f"reload: round {n + 1} of {ctx.rounds}")
            got["one"].append(one(s, lambda i, n=n: 2 * n + (i == n)))
            got["all"].append(one(s, lambda i, n=n: 2 * n + 2))
    worst = {k: median([x[0] for x in v]) for k, v in got.items()}
    beside = median([x[1] for v in got.values() for x in v])
    ok, missed = limit([("changing all", worst["all"], MOST_MS, "ms"),
                        ("changing one", worst["one"], MOST_MS, "ms")])
    details = [f"changing {k}: longest silence {median([x[0] for x in v]):.1f} ms "
               f"({min(x[0] for x in v):.1f}..{max(x[0] for x in v):.1f}), answered "
               f"after {median([x[2] for x in v]):.0f} ms" for k, v in got.items()]
    return Result(f"{max(worst.values()):.1f} ms", f"{beside:.1f} ms without a reload",
                  f"{max(worst.values()) / beside:.1f}", ok, missed, details, got)


ROWS = [Row("reload", "longest silence while 10,000 rules are replaced",
            f"<= {MOST_MS} ms", reload)]
