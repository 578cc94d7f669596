"""One input for every key: a selector with `key: all`.

bench/keyall.c gives a rule 100,000 keys and then events that each give every key a sample
and ask its condition.  While such an input is decided nothing else is: the limit is on the
slowest.  There is no floor to hold it against.
"""
import lib
from lib import Result, Row, limit, median

RUNS = 3
KEYS = 100_000


def measured(ctx):
    got = []
    for i in range(min(RUNS, ctx.rounds)):
        ctx.note(f"key: all: {i + 1} of {RUNS}")
        got.append(lib.call("keyall", KEYS, seconds=300))
    p50, most = median([g["p50_ms"] for g in got]), max(g["max_ms"] for g in got)
    ok, missed = limit([("max", most, 600, "ms")])
    return Result(f"p50 {p50:.0f}, max {most:.0f} ms", "-", "-", ok, missed,
                  [f"max of each run: {', '.join('%.0f' % g['max_ms'] for g in got)} ms"],
                  {"runs": got})


ROWS = [Row("keyall", "an event with `key: all` over 100,000 keys", "max <= 600 ms", measured)]
