"""Directories of rules below rules/: each loads, breaks and goes on its own."""
import os
import shutil
import unittest

from harness import Daemon

STEPS = 'steps: [{name: a, command: ["true"]}]'
OWN = """
rules: [{name: %s, on: {type: go}, run: done}]
pipelines: [{name: done, """ + STEPS + """}]
"""
USES = "rules: [{name: %s, on: {type: go}, run: %s}]\n"
SHARED = "pipelines: [{name: %s, " + STEPS + "}]\n"


class Bundles(unittest.TestCase):
    def start(self, **config):
        return Daemon(rules={"top.yaml": OWN % "top"},
                      config={"rules": {"watch": False, **config}})

    def put(self, d, name, text):
        os.makedirs(os.path.dirname(os.path.join(d.rules_dir, name)), mode=0o755,
                    exist_ok=True)
        d.write_rule(name, text)

    def load(self, d, rules, expect=0):
        for name, text in rules.items():
            self.put(d, name, text)
        return d.ctl("reload", expect=expect)

    def states(self, d):
        return {b["name"]: b["state"] for b in d.ctl_json("get", "bundles")}

    def fired(self, d, id_, rules):
        before = len(d.decisions(outcome="fired"))
        d.post_event("go", {}, id_)
        d.wait(lambda: len(d.decisions(outcome="fired")) >= before + len(rules),
               "all rules fired")
        new = d.decisions(outcome="fired")
        self.assertEqual(sorted(x["rule"] for x in new[:len(new) - before]),
                         sorted(rules))

    def test_a_typo_stops_nobody_else(self):
        with self.start() as d:
            self.load(d, {"risk/a.yaml": OWN % "old", "team/a.yaml": OWN % "old"})
            self.assertEqual(self.states(d), {".": "ok", "risk": "ok", "team": "ok"})
            self.fired(d, "e1", ["risk/old", "team/old", "top"])
            answer = self.load(d, {"risk/a.yaml": (OWN % "new").replace("run:", "rum:"),
                                   "team/a.yaml": OWN % "new"}, expect=1)
            for text in ("risk/a.yaml:2:", "unknown key 'rum'", "bundle team: loaded",
                         "bundle risk: not loaded, its last good set goes on"):
                self.assertIn(text, answer.stderr)
            self.fired(d, "e2", ["risk/old", "team/new", "top"])
            metrics = d.metrics()
            self.assertEqual(metrics["retraind_rules_last_reload_successful"], 0)
            for name, value in ((".", 1), ("risk", 0), ("team", 1)):
                self.assertEqual(metrics[
                    'retraind_bundle_last_reload_successful{bundle="%s"}' % name], value)
            # A start over it runs the last good set, and says so.
            d.restart()
            self.assertEqual(self.states(d), {".": "ok", "risk": "kept", "team": "ok"})
            self.assertIn("bundle 'risk' not reloaded, its last good set goes on",
                          d.log())
            self.fired(d, "e3", ["risk/old", "team/new", "top"])
            self.load(d, {"risk/a.yaml": OWN % "new"})
            self.fired(d, "e4", ["risk/new", "team/new", "top"])

    def test_a_directory_that_goes_takes_its_rules(self):
        with self.start() as d:
            self.load(d, {"risk/a.yaml": OWN % "r"})
            self.fired(d, "e1", ["risk/r", "top"])
            shutil.rmtree(os.path.join(d.rules_dir, "risk"))
            self.load(d, {})
            self.assertIn("bundle 'risk' is removed", d.log())
            self.fired(d, "e2", ["top"])
            # But without rules/ itself the last good sets run, after a start too.
            os.rename(d.rules_dir, d.rules_dir + ".away")
            self.load(d, {}, expect=1)
            self.fired(d, "e3", ["top"])
            d.restart()
            self.fired(d, "e4", ["top"])
            self.assertEqual(self.states(d), {".": "kept"})
            os.rename(d.rules_dir + ".away", d.rules_dir)

    def test_a_change_of_shared_stops_only_who_needs_it(self):
        with self.start() as d:
            self.load(d, {"shared/p.yaml": SHARED % "p", "shared/q.yaml": SHARED % "q",
                          "risk/a.yaml": USES % ("r", "p"),
                          "team/a.yaml": USES % ("r", "q")})
            self.fired(d, "e1", ["risk/r", "team/r", "top"])
            self.load(d, {"shared/p.yaml": SHARED % "p2",
                          "team/a.yaml": USES % ("s", "q")}, expect=1)
            want = {".": "ok", "risk": "kept", "shared": "ok", "team": "ok"}
            self.assertEqual(self.states(d), want)
            self.fired(d, "e2", ["risk/r", "team/s", "top"])
            d.restart()
            self.assertEqual(self.states(d), want)
            self.fired(d, "e3", ["risk/r", "team/s", "top"])
            d.wait_runs(9, state="completed")

    def test_changes_in_directories_are_noticed(self):
        with self.start(watch=True, settle="50ms") as d:
            self.put(d, "risk/a.yaml", OWN % "r")
            d.wait(lambda: self.states(d) == {".": "ok", "risk": "ok"},
                   "the new directory is noticed")
            self.put(d, "risk/a.yaml", OWN % "s")
            d.wait(lambda: "risk/s" in [r["name"] for r in d.ctl_json("get", "rules")],
                   "the edit in it is noticed")
            self.put(d, "risk/b.yaml", "rules: {")
            d.wait(lambda: self.states(d)["risk"] == "kept", "the bad file is noticed")


if __name__ == "__main__":
    unittest.main()
