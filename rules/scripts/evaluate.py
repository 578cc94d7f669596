"""Measure a model on held-out rows: a candidate, or the one deployed under a name."""
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
    return {"accuracy": right / len(rows), "log_loss": loss / len(rows), "rows": len(rows)}


def main():
    args = argparse.ArgumentParser()
    which = args.add_mutually_exclusive_group(required=True)
    which.add_argument("--model")
    which.add_argument("--champion", metavar="NAME")
    a = args.parse_args()
    path = pathlib.Path(a.model) if a.model else spindle.HOME / "models" / "current"
    model = json.loads(path.read_text())
    dataset = model["dataset"] if a.model else spindle.newest_dataset()
    metrics = measure(model, spindle.read_rows(dataset, held_out=True))
    spindle.write_result("metrics.json", metrics)
    print(f"{path}: accuracy {metrics['accuracy']:.4f} on {metrics['rows']} held-out rows")


main()
