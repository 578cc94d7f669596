"""A commit at the limit of dirty state, over a million keys.

bench/store.c fills a real store with 1,000,000 cells, dirties random ones until a MiB is
dirty, and commits as a turn does (FULL, a delta and its share of shards, checkpoints by
the helper, the gate above the WAL's cap).  Its floor writes the same bytes to a plain
file and waits for fdatasync, commit by commit beside it.
"""
import tempfile

import lib
from lib import Result, Row, limit, median

RUNS = 3                    # each 400 commits, interleaved with their floor inside
WAL_MIB = 32


def measured(ctx, size, most_ms):
    got = []
    for i in range(min(RUNS, ctx.rounds)):
        ctx.note(f"store, {size} B: {i + 1} of {RUNS}")
        with tempfile.TemporaryDirectory() as d:
            got.append(lib.call("store", d, size, seconds=900))
    p50, p99 = (median([g[k] for g in got]) for k in ("p50_ms", "p99_ms"))
    floor = median([g["floor_p50_ms"] for g in got])
    wal = max(g["wal_max_mib"] for g in got)
    ok, missed = limit([("p50", p50, most_ms, "ms"), ("WAL", wal, WAL_MIB, "MiB")])
    return Result(f"p50 {p50:.1f}, p99 {p99:.1f} ms, WAL {wal:.0f} MiB", f"{floor:.1f} ms",
                  f"{p50 / floor:.1f}", ok, missed,
                  [f"p50 of each run: {', '.join('%.1f' % g['p50_ms'] for g in got)} ms"],
                  {"runs": got})


ROWS = [
    Row("store-48", "1,000,000 keys of 48 B, a commit of 1 MiB of dirty state",
        f"p50 <= 6 ms, WAL <= {WAL_MIB} MiB", lambda ctx: measured(ctx, 48, 6)),
    Row("store-512", "the same with 512 B",
        f"p50 <= 12 ms, WAL <= {WAL_MIB} MiB", lambda ctx: measured(ctx, 512, 12)),
]
