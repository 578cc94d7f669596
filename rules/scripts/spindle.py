"""What the three steps share: where things are, the data, the model.

Data are CSV files with a header and the columns vibration, temperature, current (of the
spindle's motor) and worn (0 or 1).  Every fifth row is held out: training never sees it,
evaluation sees nothing else.
"""
import csv
import json
import math
import os
import pathlib

FEATURES = ["vibration", "temperature", "current"]
STEP = pathlib.Path(os.environ.get("RETRAIN_DIR", "."))
# state_dir/runs/<key> -> state_dir/spindle, unless the environment says otherwise.
HOME = pathlib.Path(os.environ.get("SPINDLE_HOME") or STEP.resolve().parents[1] / "spindle")


def newest_dataset():
    files = sorted((HOME / "data").glob("*.csv"), key=lambda p: p.stat().st_mtime)
    if not files:
        raise SystemExit(f"no data under {HOME / 'data'}")
    return files[-1]


def read_rows(path, held_out):
    """Rows as ([numbers], label); either the held-out fifth or the rest."""
    rows = []
    with open(path, newline="") as f:
        for i, r in enumerate(csv.DictReader(f)):
            if (i % 5 == 4) == held_out:
                rows.append(([float(r[k]) for k in FEATURES], int(r["worn"])))
    if not rows:
        raise SystemExit(f"{path}: no rows")
    return rows


def probability(model, x):
    z = model["bias"]
    for w, v, mean, sd in zip(model["weights"], x, model["mean"], model["sd"]):
        z += w * (v - mean) / sd
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, z))))


def write_result(name, value):
    """outputs.json or metrics.json of this step, whole or not at all."""
    new = STEP / (name + ".new")
    new.write_text(json.dumps(value, indent=1))
    new.replace(STEP / name)
