"""Train a logistic regression on a dataset; the step's output is the model's path."""
import argparse
import json
import math
import pathlib

import spindle


def fit(rows, epochs):
    n = len(spindle.FEATURES)
    mean = [sum(x[i] for x, _ in rows) / len(rows) for i in range(n)]
    sd = [math.sqrt(sum((x[i] - mean[i]) ** 2 for x, _ in rows) / len(rows)) or 1.0
          for i in range(n)]
    model = {"weights": [0.0] * n, "bias": 0.0, "mean": mean, "sd": sd}
    for epoch in range(epochs):
        rate = 0.5 / (1 + epoch)
        for x, y in rows:
            error = y - spindle.probability(model, x)
            model["bias"] += rate * error
            for i in range(n):
                model["weights"][i] += rate * error * (x[i] - mean[i]) / sd[i]
    return model


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--dataset", default="")
    args.add_argument("--epochs", type=int, default=20)
    a = args.parse_args()
    dataset = pathlib.Path(a.dataset or spindle.newest_dataset()).resolve()
    rows = spindle.read_rows(dataset)
    model = fit(rows, a.epochs)
    model["dataset"] = str(dataset)
    path = spindle.STEP / "artifacts" / "model.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(model, indent=1))
    spindle.write_result("outputs.json", {"model": str(path), "dataset": str(dataset)})
    spindle.write_result("metrics.json", {"rows": len(rows), "epochs": a.epochs})
    print(f"trained on {len(rows)} rows of {dataset}")


main()
