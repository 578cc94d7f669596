"""backtest and diff over what a daemon and a broker recorded."""
import datetime
import json
import unittest

from harness import Daemon, broker

RULES = """
rules:
  - name: high
    on: {type: metric, key: event.subject}
    signals: {v: {value: data.v, last: 1}}
    when: v.last > 5.0
    run: {pipeline: train, params: {key: "${key}"}}
pipelines:
  - name: train
    model: m
    params: {key: {type: string}}
    steps: [{name: a, command: [sleep, "0.3"]}]
    on_success: {promote: {version: "${run.id}"}}
"""
LOWER = RULES.replace("> 5.0", "> 3.0")


def event(id_, v, key, time):
    return {"specversion": "1.0", "id": id_, "source": "/t", "type": "metric",
            "subject": key, "time": time, "data": {"v": v}}


class PastEvents(unittest.TestCase):
    def test_of_the_journal(self):
        with Daemon(rules={"r.yaml": RULES}) as d:
            for i, v in enumerate([1, 9, 2, 4, 1, 7]):
                d.post_event("metric", {"v": v}, f"e{i}", "ab"[i % 2])
            d.wait_runs(2, state="completed")
            there = ("--dir", d.dir, "--since", "1h")
            told = d.ctl_json("backtest", "high", *there)
            self.assertEqual(told["events"], 6)
            v = told["variants"][0]
            again = [(r["event"], r["key"]) for r in v["decisions"] if r["outcome"] == "fired"]
            then = [(r["event"], r["key"]) for r in d.decisions(outcome="fired")]
            self.assertEqual(sorted(again), sorted(then))
            # the median of the recorded runs
            self.assertTrue(0 < v["hours"] < 1, v)
            # with a lower limit b's episode is not over at e3 (4): e5 (7) is no new one
            d.write_rule("../lower.yaml", LOWER)
            lower = d.dir + "/lower.yaml"
            diff = d.ctl_json("diff", "@live", lower, *there, expect=1)
            self.assertEqual([(r["change"], r["old"]["event"]) for r in diff],
                             [("removed", "e5")])
            self.assertEqual(d.ctl_json("diff", "@live", "@live", *there), [])
            self.assertIn("no rule set '@00ff00' is stored",
                          d.ctl("diff", "@live", "@00ff00", *there, expect=2).stderr)
            out = d.ctl("backtest", "high", "--dir", d.dir, "--from",
                        "2020-01-01T00:00:00Z", expect=1)
            self.assertIn("the journal covers ", out.stderr)
            self.assertIn("--from-file", out.stderr)

    def test_of_a_topic_in_the_order_of_time(self):
        """Partitions are read side by side, so that no event is late for another."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        with broker({"past": 3}) as k, Daemon(rules={"r.yaml": RULES}) as d:
            for i in range(60):
                k.produce("past", [json.dumps(event(f"k{i}", 9 if i % 20 < 3 else 1,
                                                    "a", now))], partition=i % 3)
            words = ("backtest", "high", d.dir + "/rules/r.yaml", "--from-kafka", "past",
                     "--brokers", k.bootstrap)
            told = d.ctl_json(*words)
            self.assertEqual(told["events"], 60)
            self.assertEqual([r["event"] for r in told["variants"][0]["decisions"]
                              if r["outcome"] == "fired"], ["k0", "k20", "k40"])
            # twice over the same topic, for two variants
            sweep = d.ctl_json(*words, "--set", "high.when#1=5.0,20.0")
            self.assertEqual([v["fired"] for v in sweep["variants"]], [3, 0])
            out = d.ctl("backtest", "high", "--dir", d.dir, "--from-kafka", "none",
                        "--brokers", k.bootstrap, expect=None)
            self.assertNotEqual(out.returncode, 0)


if __name__ == "__main__":
    unittest.main()
