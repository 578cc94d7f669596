"""Measure models on held-out rows: a candidate beside the one deployed, or that alone.

A candidate and the deployed model answer the same rows, so that their difference is
the models' and not the data's: comparing with what the champion reached on the rows of
its own day would let an old model win after the world has changed.
"""
import argparse
import json
import math
import pathlib

import spindle


def measure(model, rows):
    right = loss = 0.0
    for x, y in rows:
        p = spindle.probability(model, x)
        right += (p >= 0.5) == bool(y)
        loss -= math.log(p if y else 1 - p)
    return {"accuracy": right / len(rows), "log_loss": loss / len(rows)}


def main():
    args = argparse.ArgumentParser()
    which = args.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", help="a candidate's file")
    which.add_argument("--champion", metavar="NAME", choices=[spindle.NAME])
    a = args.parse_args()
    rows = spindle.read_rows(spindle.HOME / "inspected.csv")
    metrics = {"rows": len(rows)}
    if a.model:
        metrics.update(measure(json.loads(pathlib.Path(a.model).read_text()), rows))
    current = spindle.HOME / "models" / "current"
    if a.champion or current.exists():
        found = measure(json.loads(current.read_text()), rows)
        metrics.update({"champion_" + k: v for k, v in found.items()})
    spindle.write_result("metrics.json", metrics)
    print(", ".join(f"{k} {v:.4g}" for k, v in metrics.items()))


main()
