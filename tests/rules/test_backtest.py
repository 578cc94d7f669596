"""backtest and diff over a file of events, whose answer is known beforehand."""
import datetime
import json
import os
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ET

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("RETRAIN_BUILD", os.path.join(TREE, "build")))
START = datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc)

RULES = """
vars: {limit: 5}
rules:
  - name: level
    on: {type: m}
    key: data.k
    signals: {v: {value: data.v, last: 1}}
    when: v.last > vars.limit
    cooldown: 2h
    run: {pipeline: p, params: {k: "${key}"}}
  - name: nightly
    schedule: {cron: "0 2 * * *"}
    run: {pipeline: p, params: {k: night}}
pipelines:
  - {name: p, params: {k: {}}, steps: [{name: s, command: ["true"]}]}
"""


def at(minutes):
    return (START + datetime.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


class Backtest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)
        self.rules = self.write("r.yaml", RULES)
        # a square wave: high from minute 30 to 40 of each hour, for two days
        self.events = self.feed([(m, "a", 9 if 30 <= m % 60 < 40 else 1)
                                 for m in range(0, 2 * 24 * 60, 5)])

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def feed(self, rows, name="e.jsonl"):
        return self.write(name, "".join(json.dumps({
            "specversion": "1.0", "id": f"e{i}", "source": "/t", "type": "m",
            "time": at(m), "data": {"k": k, "v": v}}) + "\n"
            for i, (m, k, v) in enumerate(rows)))

    def ctl(self, *words, status=0):
        env = {k: v for k, v in os.environ.items() if not k.startswith("RETRAIND_")}
        done = subprocess.run([os.path.join(BUILD, "retrainctl"), *words], text=True,
                              capture_output=True, check=False, env=env)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def backtest(self, *words):
        return json.loads(self.ctl("backtest", *words, "--from-file", self.events,
                                   "-o", "json").stdout)

    def test_each_firing_is_a_row_at_its_time(self):
        found = self.backtest("level", self.rules)
        self.assertEqual((found["from"], found["to"]), (at(0), at(2 * 24 * 60 - 5)))
        v = found["variants"][0]
        fired = [r["time"] for r in v["decisions"] if r["outcome"] == "fired"]
        # 00:30, then the next rising edges after the cooldown of two hours
        self.assertEqual(fired, [at(30 + 120 * i) for i in range(24)])
        blocked = [r for r in v["decisions"] if r["outcome"] == "suppressed"]
        self.assertEqual({r["by"] for r in blocked}, {"cooldown"})
        self.assertEqual((v["fired"], v["keys"], v["hours"]), (24, 1, None))
        self.assertEqual(v["decisions"][0]["params"], {"k": "a"})

    def test_named_rules_act_whatever_their_mode_and_others_do_not(self):
        self.write("r.yaml", RULES.replace("- name: level", "- mode: disabled\n    name: level"))
        v = self.backtest("level", self.rules)["variants"][0]
        self.assertEqual({r["rule"] for r in v["decisions"]}, {"level"})
        self.assertEqual(v["fired"], 24)
        v = self.backtest(self.rules)["variants"][0]
        self.assertEqual({r["rule"] for r in v["decisions"] if r["outcome"] == "fired"},
                         {"nightly"})
        self.assertEqual([r["due"] for r in v["decisions"] if r["due"]], [at(120), at(1560)])

    def test_variants_are_the_product_of_the_sets(self):
        found = self.backtest("level", self.rules, "--set", "level.cooldown=0,2h",
                              "--set", "vars.limit=5,10", "--run-time", "30m")
        rows = [(v["set"], v["fired"], v["hours"]) for v in found["variants"]]
        self.assertEqual(rows, [
            ({"level.cooldown": "0", "vars.limit": "5"}, 48, 24.0),
            ({"level.cooldown": "0", "vars.limit": "10"}, 0, 0.0),
            ({"level.cooldown": "2h", "vars.limit": "5"}, 24, 12.0),
            ({"level.cooldown": "2h", "vars.limit": "10"}, 0, 0.0)])

    def test_a_run_takes_its_time_and_ends_as_told(self):
        v = self.backtest("level", self.rules, "--run-time", "45m")["variants"][0]
        self.assertEqual(v["decisions"][0]["run_end"], at(75))
        # failed runs back off, longer each time
        failed = self.backtest("level", self.rules, "--run-outcome", "failed",
                               "--set", "level.cooldown=0")["variants"][0]
        self.assertLess(failed["fired"], 24)

    def test_observe_decides_what_active_does(self):
        """For rules that read no fact of their own runs."""
        def rows(mode):
            self.write("r.yaml", RULES.replace("- name: level", f"- mode: {mode}\n    name: level"))
            v = self.backtest(self.rules, "--run-time", "30m")["variants"][0]
            return [(r["time"], r["key"], r["by"], r["outcome"].replace("observed", "fired"))
                    for r in v["decisions"] if r["rule"] == "level"]
        active = rows("active")
        self.assertEqual(len([r for r in active if r[3] == "fired"]), 24)
        self.assertEqual(rows("observe"), active)

    def test_the_span_is_cut_and_windows_are_warm(self):
        self.write("r.yaml", RULES.replace("last: 1", "over: 6h").replace(
            "v.last > vars.limit", "v.count == 73"))
        got = json.loads(self.ctl("backtest", "level", self.rules, "--from-file",
                                  self.events, "--from", at(600), "--to", at(700),
                                  "-o", "json").stdout)
        cold = json.loads(self.ctl("backtest", "level", self.rules, "--from-file",
                                   self.events, "--from", at(600), "--to", at(700),
                                   "--warm", "0", "-o", "json").stdout)
        self.assertEqual((got["from"], got["to"]), (at(600), at(700)))
        self.assertEqual(cold["variants"][0]["fired"], 0)
        self.assertGreaterEqual(got["events"], 20 + 72)

    def test_the_table_has_rows_and_a_summary(self):
        out = self.ctl("backtest", "nightly", self.rules, "--from-file", self.events).stdout
        lines = out.splitlines()
        self.assertEqual(lines[0], f"{at(0)} to {at(2875)}, 576 events")
        self.assertEqual(lines[2].split(), "TIME RULE KEY OUTCOME BY EVENTS RUN_END".split())
        self.assertEqual(lines[3].split(), [at(120), "nightly", "-", "fired", "-", "0", "-"])
        self.assertEqual(lines[6].split(), "VARIANT FIRED SUPPRESSED COALESCED KEYS PER_DAY "
                         "HOURS FIRST LAST".split())

    def test_a_line_that_is_no_event_is_counted_and_shown(self):
        with open(self.events, "a", encoding="utf-8") as f:
            f.write("{not json\n")
        done = self.ctl("backtest", "level", self.rules, "--from-file", self.events)
        self.assertIn("event 577 is refused: not_json", done.stderr)
        self.assertIn("576 events, 1 refused", done.stdout)

    def test_the_chart_is_well_formed_and_shows_the_limit(self):
        for name in ("c.svg", "c.html"):
            path = os.path.join(self.dir, name)
            self.ctl("backtest", "level", self.rules, "--from-file", self.events,
                     "--chart", path)
            with open(path, encoding="utf-8") as f:
                text = f.read()
            svg = ET.fromstring(text[text.index("<svg"):text.index("</svg>") + 6])
            ns = "{http://www.w3.org/2000/svg}"
            self.assertEqual(len(svg.findall(f"{ns}line[@class='fired']")), 24)
            for kind in ("value", "limit"):
                self.assertTrue(svg.find(f"{ns}path[@class='{kind}']").get("d"))
            self.assertIn("level key=a: v.last &gt; vars.limit", text)

    def test_diff_matches_what_is_the_same(self):
        same = self.ctl("diff", self.rules, self.rules, "--from-file", self.events)
        self.assertIn("0 only old (-), 0 only new (+), 0 changed (~)", same.stdout)
        new = self.write("new.yaml", RULES.replace("cooldown: 2h", "cooldown: 0").replace(
            "k: night", "k: dusk"))
        lines = self.ctl("diff", self.rules, new, "--from-file", self.events,
                         status=1).stdout.splitlines()
        # every second rising edge fires now, where it was suppressed
        self.assertEqual(sum(x.startswith("~") and "level key=a suppressed by cooldown -> "
                             "fired" in x for x in lines), 24)
        self.assertEqual(sum("nightly fired -> fired params" in x for x in lines), 2)

    def test_mistakes_are_said(self):
        for words, text in (
                (["level", self.rules], "where are the events"),
                (["level", self.rules, "--from-file", "/none"], "No such file"),
                (["levle", self.rules, "--from-file", self.events], "did you mean 'level'?"),
                (["level", self.rules, "--from-file", self.events, "--set",
                  "level.when#7=1"], "no number 7"),
                (["level", self.rules, "--from-file", self.events, "--set",
                  "level.cooldown=1..9/0"], "no values"),
                (["level", self.rules, "--from-file", self.events, "--run-outcome", "good"],
                 "expected completed, promoted"),
                (["level", self.rules, "--from-file", self.events, "--chart", "c.png"],
                 "FILE.svg")):
            self.assertIn(text, self.ctl("backtest", *words, status=2).stderr)


if __name__ == "__main__":
    unittest.main()
