"""Runs as people see them: completed, failed, rejected, aborted, retried, queued."""
import json
import os
import subprocess
import tempfile
import unittest

from harness import Daemon, alive

RULES = """
rules:
  - name: go
    on: {type: go}
    key: event.subject
    backoff: off
    run: {pipeline: "%s", params: {score: "${data.score}"}}
pipelines:
  - name: gated
    model: m
    params: {score: {type: double, default: 0.5}}
    steps:
      - {name: train, command: [sh, -c, 'echo "{\\"score\\":$RETRAIN_PARAM_SCORE}" >
          "$RETRAIN_METRICS"; echo data > "$RETRAIN_ARTIFACTS/model.bin"']}
      - {name: gate, needs: train, gate: "!has(champion.metrics.score) ||
          steps.train.metrics.score > champion.metrics.score"}
      - {name: deploy, needs: gate, command: ["true"]}
    on_success: {promote: {version: "${run.id}", metrics: "${steps.train.metrics}"}}
  - name: broken
    params: {score: {type: double, default: 0}}
    steps:
      - {name: bad, command: [sh, -c, "echo trying; exit 3"],
         retry: {attempts: 2, backoff: 100ms}}
      - {name: after, needs: bad, command: ["true"]}
  - name: missing
    params: {score: {type: double, default: 0}}
    steps: [{name: x, command: [no-such-program]}]
  - name: endless
    params: {score: {type: double, default: 0}}
    concurrency: {limit: 1, on_limit: %s}
    steps:
      # A grandchild that escapes its group and its session, and a child that stays.
      - {name: hang, command: [sh, -c, 'setsid sh -c "sleep 600 & sleep 600" &
          sleep 600 & echo started; wait']}
"""


def rules(pipeline, on_limit="queue"):
    return {"r.yaml": RULES % (pipeline, on_limit)}


class Runs(unittest.TestCase):
    def go(self, d, id_, score=0.5, subject="k"):
        status, answer = d.post_event("go", {"score": score}, id_, subject=subject)
        self.assertEqual(status, 202, answer)

    def test_promoted_then_rejected_then_promoted(self):
        with Daemon(rules=rules("gated")) as d:
            for i, (score, outcome) in enumerate([(0.7, "promoted"), (0.6, "rejected"),
                                                  (0.9, "promoted")]):
                self.go(d, f"e{i}", score)
                runs = d.wait_runs(i + 1, state="completed")
                newest = max(runs, key=lambda r: r["number"])
                self.assertEqual(newest["outcome"], outcome)
            stages = {m["version"]: m["stage"] for m in d.ctl_json("get", "models")}
            self.assertEqual(sorted(stages.values()), ["archived", "candidate", "champion"])
            run = d.ctl_json("describe", newest["id"])
            art = run["steps"][0]["artifacts"][0]
            self.assertEqual((art["path"], art["size"], art["sha256"]), (
                "model.bin", 5,
                "6667b2d1aab6a00caa5aee5af8ad9f1465e567abf1c209d15727d57b3e8f6e5f"))
            rejected = d.runs(outcome="rejected")[0]
            states = {s["name"]: s["state"] for s in rejected["steps"]}
            self.assertEqual(states, {"train": "completed", "gate": "completed",
                                      "deploy": "skipped"})

    def test_failed_after_its_attempts(self):
        with Daemon(rules=rules("broken")) as d:
            self.go(d, "e1")
            run = d.wait_runs(1, state="failed")[0]
            whole = d.ctl_json("describe", run["id"])
            self.assertEqual([a["exit_code"] for a in whole["attempts"]], [3, 3])
            self.assertIn("bad", run["reason"])
            self.assertIn("3", run["reason"])
            self.assertNotEqual(whole["steps"][1]["state"], "completed")

    def test_missing_executable_says_so(self):
        with Daemon(rules=rules("missing")) as d:
            self.go(d, "e1")
            run = d.wait_runs(1, state="failed")[0]
            self.assertIn("no-such-program", run["reason"])

    def start_endless(self, d):
        self.go(d, "e1")
        run = d.wait_runs(1, state="running")[0]
        d.wait(lambda: "started" in d.ctl("logs", run["id"], expect=None).stdout,
               "the step writes")
        d.wait(lambda: len(d.steps()) >= 5, "its tree is there")
        return run

    def test_abort_leaves_no_process(self):
        with Daemon(rules=rules("endless")) as d:
            run = self.start_endless(d)
            pids = d.steps()
            d.ctl("abort", run["id"], "--reason", "wrong data")
            ended = d.wait_runs(1, state="aborted")[0]
            self.assertFalse([p for p in pids if alive(p)])
            self.assertIn("wrong data", ended["reason"])
            again = d.ctl("abort", run["id"], expect=1)
            self.assertIn("has ended", again.stderr)

    def test_children_survive_and_their_exit_is_kept(self):
        with Daemon(rules=rules("endless")) as d:
            run = self.start_endless(d)
            pids = set(d.steps())
            d.kill9()
            d.start()
            self.assertTrue(pids <= set(d.steps()), "every process lives on")
            self.assertIn("recovered 1 runs: 1 attached", d.log())
            d.ctl("abort", run["id"])
            d.wait_runs(1, state="aborted")
            self.assertFalse(d.steps())

    def test_exit_while_the_daemon_is_down(self):
        slow = RULES.replace('"echo trying; exit 3"',
                             '"while [ ! -e $RETRAIN_DIR/go ]; do sleep 0.05; done; exit 3"')
        with Daemon(rules={"r.yaml": slow % ("broken", "queue")}) as d:
            self.go(d, "e1")
            run = d.wait_runs(1, state="running")[0]
            key = d.ctl_json("describe", run["id"])["attempts"][0]["key"]
            base = os.path.join(d.state_dir, "runs", key)
            d.wait(lambda: os.path.exists(os.path.join(base, "claim")), "claimed")
            d.kill9()
            open(os.path.join(base, "go"), "w").close()
            d.wait(lambda: os.path.exists(os.path.join(base, "exit.json")), "it ended")
            d.start()
            d.wait(lambda: d.ctl_json("describe", run["id"])["attempts"][0]["exit_code"] == 3,
                   "the exit code is kept")

    def test_queue_skip_and_replace(self):
        for on_limit in ("queue", "skip", "replace"):
            with self.subTest(on_limit), Daemon(rules=rules("endless", on_limit)) as d:
                first = self.start_endless(d)
                self.go(d, "e2", subject="k2")
                if on_limit == "queue":
                    second = d.wait_runs(1, state="pending")[0]
                    d.ctl("abort", first["id"])
                    d.wait_runs(1, state="running", id=second["id"])
                elif on_limit == "skip":
                    d.wait(lambda: d.decisions(suppressor="concurrency"), "suppressed")
                    self.assertEqual(len(d.runs()), 1)
                else:
                    d.wait_runs(1, state="aborted", id=first["id"])
                    d.wait_runs(1, state="running")
                d.ctl("abort", "--all")
                d.wait(lambda: not d.runs(state="running"), "all are ended")

    def test_retry_adopts_completed_steps(self):
        text = RULES.replace("sh, -c, \"echo trying; exit 3\"",
                             "sh, -c, 'test -e \"$RETRAIN_DIR/../../go\"'")
        text = text.replace("      - {name: bad,", "      - {name: once, command: [sh, -c,"
                            " 'echo x >> \"$RETRAIN_DIR/../../count\"']}\n"
                            "      - {name: bad, needs: once,")
        with Daemon(rules={"r.yaml": text % ("broken", "queue")}) as d:
            self.go(d, "e1")
            run = d.wait_runs(1, state="failed")[0]
            open(os.path.join(d.state_dir, "go"), "w").close()
            d.ctl("retry", run["id"])
            new = d.wait_runs(1, state="completed")[0]
            self.assertEqual(new["retry_of"], run["id"])
            with open(os.path.join(d.state_dir, "count")) as f:
                self.assertEqual(f.read(), "x\n")

    def test_rule_edited_while_pending(self):
        text = """
rules:
  - name: hot
    on: {type: metric}
    signals: {v: {value: data.v, last: 1}}
    when: v.last > %s
    for: 10s
    run: done
pipelines: [{name: done, steps: [{name: a, command: ["true"]}]}]
"""
        with Daemon(rules={"r.yaml": text % "5.0"}) as d:
            def metric(second, v):
                status, answer = d.post_event("metric", {"v": v}, f"m{second}",
                                              time=f"2026-03-01T00:00:{second:02}Z")
                self.assertEqual(status, 202, answer)
            metric(0, 9)
            self.assertEqual(d.ctl_json("get", "rules")[0]["state"], "pending")
            d.write_rule("r.yaml", text % "6.0")
            d.ctl("reload")
            self.assertEqual(d.ctl_json("get", "rules")[0]["state"], "pending")
            metric(9, 9)
            self.assertEqual(d.runs(), [])
            metric(10, 9)
            d.wait_runs(1, state="completed", rule="hot")

    def test_records_the_commit_it_ran_on(self):
        with tempfile.TemporaryDirectory() as repo:
            def git(*args):
                return subprocess.run(["git", "-C", repo, "-c", "user.name=t", "-c",
                                       "user.email=t@t", *args], check=True, text=True,
                                      capture_output=True).stdout.strip()
            git("init", "-q")
            with open(os.path.join(repo, "train.py"), "w") as f:
                f.write("v1")
            git("add", ".")
            git("commit", "-qm", "one")
            text = (RULES % ("gated", "queue")).replace(
                "    model: m\n", f"    model: m\n    code: {{repo: {repo}}}\n")
            with Daemon(rules={"r.yaml": text}) as d:
                self.go(d, "e1")
                d.wait_runs(1, state="completed")
                with open(os.path.join(repo, "train.py"), "w") as f:
                    f.write("v2")
                self.go(d, "e2", score=0.9)
                codes = [r["code"] for r in sorted(d.wait_runs(2, state="completed"),
                                                   key=lambda r: r["number"])]
                self.assertEqual(d.runs()[0]["environment"], {"LANG": "C.UTF-8",
                                                              "TZ": "UTC"})
            self.assertEqual([(c["commit"], c["dirty"]) for c in codes],
                             [(git("rev-parse", "HEAD"), False),
                              (git("rev-parse", "HEAD"), True)])

    def test_directories_of_ended_runs_go_the_champions_stays(self):
        with Daemon(rules=rules("gated")) as d:
            keys = {}
            for i, score in enumerate((0.9, 0.1, 0.2)):     # the first is the champion's
                self.go(d, f"e{i}", score)
                run = max(d.wait_runs(i + 1, state="completed"), key=lambda r: r["number"])
                base = os.path.join(d.state_dir, "runs")
                for a in d.ctl_json("describe", run["id"])["attempts"]:
                    if os.path.isdir(os.path.join(base, a["key"])):
                        keys[a["key"]] = run["outcome"]
                        with open(os.path.join(base, a["key"], "ballast"), "wb") as f:
                            f.write(b"x" * (1 << 20))
            d.config["runs"] = {"keep_bytes": "1Mi"}
            d.write_config()
            d.restart()
            want = {k for k, outcome in keys.items() if outcome == "promoted"}
            self.assertTrue(0 < len(want) < len(keys))
            d.wait(lambda: set(os.listdir(base)) == want, "only the champion's are left", 30)

    def test_by_hand(self):
        with Daemon(rules=rules("gated")) as d:
            answer = json.loads(d.ctl("run", "gated", "--set", "score=0.4", "-o",
                                      "json").stdout)
            d.wait_runs(1, state="completed", id=answer["run"])
            d.ctl("trigger", "go", "--key", "k", "--set", "score=0.9")
            d.wait_runs(2, state="completed")
            bad = d.ctl("run", "gated", "--set", "scor=1", expect=1)
            self.assertIn("did you mean 'score'", bad.stderr)
            self.assertIn("no pipeline 'gatd'", d.ctl("run", "gatd", expect=1).stderr)


if __name__ == "__main__":
    unittest.main()
