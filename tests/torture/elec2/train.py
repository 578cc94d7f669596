"""The pipeline's step: train a candidate, and measure it beside the champion.

Both are measured on the same newest rows, up to the one that made the rule fire, and
neither has seen any of them: the candidate is trained on the rows before, and the
champion's file says where its own training ended.  Where that is too late for a
hold-out of the wanted length the step fails and says so: a champion measured on rows
that it was trained on looks better than it is, and candidates lose against it.
"""
import json
import os
import sys

import model

END = int(os.environ["RETRAIN_PARAM_ROW"]) + 1
HOLDOUT = int(os.environ["RETRAIN_PARAM_HOLDOUT"])
WINDOW = model.DAY * int(os.environ["RETRAIN_PARAM_DAYS"])


def write(path, value):
    with open(path, "w", encoding="ascii") as f:
        json.dump(value, f)


def main():
    begin = END - HOLDOUT
    with open(os.environ["RETRAIN_INPUT"], encoding="utf-8") as f:
        version = json.load(f)["champion"].get("version")
    champion = model.load(".", version + ".json") if version else None
    if champion and champion["trained_to"] > begin:
        sys.exit(f"the hold-out must be newer than what both models were trained on: the"
                 f" champion has seen all but {max(0, END - champion['trained_to'])} of"
                 f" the last {HOLDOUT} rows")
    start = max(0, begin - WINDOW)
    weights = model.fit(model.read(".", start, begin))
    fresh = model.read(".", begin, END)
    metrics = {"accuracy": model.accuracy(weights, fresh), "trained_to": begin,
               "holdout_to": END}
    if champion:
        metrics["champion_accuracy"] = model.accuracy(champion["weights"], fresh)
    path = os.path.join(os.environ["RETRAIN_ARTIFACTS"], "model.json")
    write(path, {"weights": weights, "trained_from": start, "trained_to": begin})
    write(os.environ["RETRAIN_METRICS"], metrics)
    write(os.environ["RETRAIN_OUTPUTS"], {"model": path})
    print(f"rows {start}..{begin - 1}, hold-out {begin}..{END - 1}: {metrics}")


main()
