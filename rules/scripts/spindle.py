"""What the three steps share: where things are, the data, the model.

Under HOME:
	data/*.csv       rows to train on, labelled by whatever wrote them
	inspected.csv    the newest rows whose labels a person checked: held out, training
	                 never sees them, evaluation sees nothing else
	models/          deployed models; the link `current` is the one that answers

The columns are vibration, temperature, current (of the spindle's motor) and worn (0 or
1: is the tool worn?).
"""
import csv
import json
import math
import os
import pathlib

NAME = "spindle"
FEATURES = ["vibration", "temperature", "current"]
STEP = pathlib.Path(os.environ.get("RETRAIN_DIR", "."))
# state_dir/runs/<key> -> state_dir/spindle, unless the environment says otherwise.
HOME = pathlib.Path(os.environ.get("SPINDLE_HOME") or STEP.resolve().parents[1] / NAME)


def newest_dataset():
    files = sorted((HOME / "data").glob("*.csv"), key=lambda p: p.stat().st_mtime_ns)
    if not files:
        raise SystemExit(f"no data under {HOME / 'data'}")
    return files[-1]


def read_rows(path):
    """Rows as ([numbers], label)."""
    with open(path, newline="") as f:
        rows = [([float(r[k]) for k in FEATURES], int(r["worn"]))
                for r in csv.DictReader(f)]
    if not rows:
        raise SystemExit(f"{path}: no rows")
    return rows


def probability(model, x):
    """The model's belief that the tool is worn."""
    z = model["bias"]
    for w, v, mean, sd in zip(model["weights"], x, model["mean"], model["sd"]):
        z += w * (v - mean) / sd
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, z))))


def write_result(name, value):
    """outputs.json or metrics.json of this step, whole or not at all."""
    new = STEP / (name + ".new")
    new.write_text(json.dumps(value, indent=1))
    new.replace(STEP / name)
