"""A small model of Elec2 and its files: what the training step and the server share.

The model is a linear discriminant: least squares on the label as -1 or +1, solved in
one pass over the rows, so that the same rows always give the same model and a training
takes milliseconds.  Under HOME, the directory in which steps run:

    days/00014.csv    the 48 rows of one day, appended as their outcomes are known
    models/NAME.json  {"weights", "trained_from", "trained_to"}, rows numbered from 0
    models/current    the link that names the model that serves

Rows are (slot of the day, NSW price and demand, Victoria's, transfer, up): up is 1
when the price is above its mean of the last 24 hours.
"""
import json
import math
import os

DAY = 48                # rows of a day, one each half hour
RIDGE = 1e-5            # times the number of rows: Victoria's columns begin constant
WAVES = [(math.sin(a), math.cos(a), math.sin(2 * a), math.cos(2 * a))
         for a in (2 * math.pi * slot / DAY for slot in range(DAY))]


def parse(number, line):
    """A line of the data set; its first column is the slot as a fraction of a day."""
    v = line.split(",")
    return (number % DAY, *map(float, v[1:6]), int(v[6]))


def features(row):
    slot, price, demand, vicprice, vicdemand, transfer, _ = row
    # Prices have spikes: their logarithm keeps one from bending the whole model.
    return (1.0, math.log(price + 0.01), demand, math.log(vicprice + 0.001), vicdemand,
            transfer, *WAVES[slot])


def day_path(day):
    return os.path.join("days", f"{day:05}.csv")


def read(home, begin, end):
    """Rows begin..end-1, out of the files of their days."""
    rows = []
    for day in range(begin // DAY, -(-end // DAY)):
        with open(os.path.join(home, day_path(day)), encoding="ascii") as f:
            rows += [parse(day * DAY + i, line) for i, line in enumerate(f)]
    first = begin // DAY * DAY
    return rows[begin - first:end - first]


def solve(a, b):
    """Gauss with pivots; a and b are used up."""
    n = len(b)
    for i in range(n):
        p = max(range(i, n), key=lambda k, i=i: abs(a[k][i]))
        a[i], a[p], b[i], b[p] = a[p], a[i], b[p], b[i]
        for k in range(i + 1, n):
            f = a[k][i] / a[i][i]
            a[k] = [y - f * x for x, y in zip(a[i], a[k])]
            b[k] -= f * b[i]
    x = [0.0] * n
    for i in reversed(range(n)):
        x[i] = (b[i] - sum(a[i][j] * x[j] for j in range(i + 1, n))) / a[i][i]
    return x


def fit(rows):
    columns = list(zip(*map(features, rows)))
    labels = [2.0 * row[-1] - 1.0 for row in rows]
    a = [[sum(map(float.__mul__, x, y)) for y in columns] for x in columns]
    for i, row in enumerate(a):
        row[i] += RIDGE * len(rows)
    return solve(a, [sum(map(float.__mul__, x, labels)) for x in columns])


def predict(weights, row):
    return int(sum(map(float.__mul__, weights, features(row))) > 0)


def accuracy(weights, rows):
    return sum(predict(weights, r) == r[-1] for r in rows) / len(rows)


def load(home, name):
    with open(os.path.join(home, "models", name), encoding="ascii") as f:
        return json.load(f)
