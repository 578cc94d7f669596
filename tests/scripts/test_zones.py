"""build/tests/zones: cron lines beside a walk over minutes, around every transition of
every zone of the system's tz database, 1970-2037.

Zones are those that tzdata lists, one of each group whose files are the same; what the
program found as transitions is held against the files' own."""
import concurrent.futures
import os
import struct
import subprocess
import unittest

ZONEINFO = "/usr/share/zoneinfo"
BEGIN, END = 0, 2145916800      # 1970, 2038
LINES = 8


def files():
    """Name -> bytes of the TZif files, without posix/ and right/."""
    found = {}
    for at, dirs, names in os.walk(ZONEINFO):
        if at == ZONEINFO:
            dirs[:] = [d for d in dirs if d not in ("posix", "right")]
        for name in names:
            path = os.path.join(at, name)
            with open(path, "rb") as f:
                data = f.read()
            if data[:4] == b"TZif":
                found[os.path.relpath(path, ZONEINFO)] = data
    return found


def listed():
    """Zones and their other names, as tzdata lists them; else zones alone."""
    try:
        with open(f"{ZONEINFO}/tzdata.zi", encoding="utf-8") as f:
            words = [line.split() for line in f]
        return [w[1] if w[0] == "Z" else w[2] for w in words if w and w[0] in "ZL"]
    except FileNotFoundError:
        with open(f"{ZONEINFO}/zone1970.tab", encoding="utf-8") as f:
            return [w.split("\t")[2].strip() for w in f if not w.startswith("#")]


def transitions(data):
    """Changes of the offset that the file has in the span (RFC 8536, version 2 data)."""
    def header(at):
        return struct.unpack(">4s c 15x 6l", data[at:at + 44])[2:]

    if data[4:5] < b"2":
        return 0
    utc, std, leap, times, types, chars = header(0)
    at = 44 + times * 5 + types * 6 + chars + leap * 8 + std + utc
    utc, std, leap, times, types, chars = header(at)
    at += 44
    when = struct.unpack(f">{times}q", data[at:at + 8 * times])
    kinds = data[at + 8 * times:at + 9 * times]
    table = at + 9 * times
    offset = [struct.unpack(">l", data[table + 6 * k:table + 6 * k + 4])[0]
              for k in range(types)]
    before = [0, *kinds[:-1]]
    return sum(BEGIN < t < END and offset[a] != offset[b]
               for t, a, b in zip(when, before, kinds))


class ZonesTest(unittest.TestCase):
    def walk(self, zones):
        program = os.path.join(os.environ["RETRAIN_BUILD"], "tests", "zones")
        return subprocess.run([program, *zones], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)

    def test_every_transition_of_every_zone(self):
        data, kept = files(), {}
        names = [n for n in listed() if n in data]
        for name in names:
            kept.setdefault(data[name], name)
        zones = sorted(kept.values())
        jobs = os.cpu_count() or 1
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            done = list(pool.map(self.walk, [zones[i::jobs] for i in range(jobs)]))
        out = "".join(d.stdout for d in done)
        for d in done:
            self.assertEqual(0, d.returncode, d.stdout[-4000:])
        rows = [line.split() for line in out.splitlines()]
        self.assertEqual(zones, sorted(r[0] for r in rows))
        walked, due = sum(int(r[1]) for r in rows), sum(int(r[2]) for r in rows)
        print(f"# {len(names)} names, {len(zones)} zones, {walked} transitions,"
              f" {LINES} lines, {due} due times each way")
        self.assertGreater(walked, 0)
        self.assertGreater(due, walked)
        for name, count, _ in rows:
            with self.subTest(zone=name):
                self.assertGreaterEqual(int(count), transitions(data[name]))


if __name__ == "__main__":
    unittest.main()
