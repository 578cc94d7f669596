"""When to retrain: a rule on the model's error, beside schedules.

bench/elec2.c plays the same streams with each policy through world_input() in virtual
time.  Elec2 is a real stream with drift all the time; the data set is not part of the
project, and without it that half is left out.  The other stream changes six times in
100,000 rows, where a schedule cannot know when.
"""
import json
import os
import subprocess

import lib
from lib import Result, Row

DATA = os.path.join(lib.TREE, "..", "shared", "data", "elec2.csv.gz")
POINTS, SHARE = 0.5, 10     # within so many points of nightly, with a tenth of its trainings


def lines(rows):
    return [f"{r['policy']}: {r['accuracy']:.2f} %, {r['trainings']} trainings,"
            f" {r['promoted']} promoted"
            + (f", recovered after {r['delay_median']} rows, at worst {r['delay_max']}"
               if "delay_max" in r else "") for r in rows]


def played():
    done = subprocess.run([lib.tool("elec2"), "--json", DATA], check=True, text=True,
                          stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def compared(table):
    by = {r["policy"]: r for r in table}
    rule, nightly = by["the rule"], by["every night"]
    behind = nightly["accuracy"] - rule["accuracy"]
    ok, missed = lib.limit([("behind nightly", behind, POINTS, "points"),
                            ("trainings", rule["trainings"],
                             nightly["trainings"] / SHARE, "")])
    return Result(f"{rule['accuracy']:.2f} % with {rule['trainings']} trainings",
                  f"nightly {nightly['accuracy']:.2f} % with {nightly['trainings']}",
                  f"{behind:.2f} points behind", ok, missed, lines(table),
                  {"table": table})


def elec2(ctx):
    table = played().get("elec2")
    if table is None:
        return Result("skipped: the data set Elec2 is not here", reached=None)
    return compared(table)


def abrupt(ctx):
    table = played()["abrupt"]
    by = {r["policy"]: r for r in table}
    rule, same = by["the rule"], by["as often as the rule"]
    return Result(f"recovered after {rule['delay_median']} rows with"
                  f" {rule['trainings']} trainings",
                  f"the same number by schedule: {same['delay_median']} rows",
                  f"{rule['delay_median'] / same['delay_median']:.2f}",
                  details=lines(table), numbers={"table": table})


ROWS = [
    Row("elec2", "Elec2, each row served by the champion of a rule, or of a schedule",
        "within 0.5 points of nightly, a tenth of its trainings", elec2),
    Row("elec2-abrupt", "six changes in 100,000 rows: rule beside schedules", "-", abrupt),
]
