"""The HTTP face of a running daemon: commands, questions, streams, who may what."""
import http.client
import json
import os
import signal
import unittest

from harness import Daemon

RULES = """
rules:
  - name: new-data
    on: {type: dataset.version.created}
    key: event.subject
    when: data.rows >= 100
    cooldown: 1h
    run: {pipeline: train, params: {version: "${data.version}"}}
pipelines:
  - name: train
    params: {version: {type: string, default: x}}
    steps:
      - {name: fit, command: [sh, -c, 'echo begun; while [ ! -e "$0" ]; do sleep 0.05; done;
          echo ended', GATE]}
"""
CREATED = "dataset.version.created"


def data(rows, version="v1"):
    return {"rows": rows, "version": version}


class Api(unittest.TestCase):
    def daemon(self, **config):
        d = Daemon(config=config)
        self.gate = os.path.join(d.dir, "gate")
        d.write_rule("r.yaml", RULES.replace("GATE", self.gate))
        return d

    def open_gate(self):
        with open(self.gate, "w", encoding="ascii"):
            pass

    def post(self, d, path, body, **headers):
        status, answer, _ = d.http("POST", "/api/v1" + path, body, headers)
        return status, answer

    def get(self, d, path):
        return d.http("GET", "/api/v1" + path)[:2]

    def stream(self, d, path):
        c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=30)
        c.request("GET", "/api/v1" + path, headers={"Authorization": f"Bearer {d.token()}"})
        answer = c.getresponse()
        self.assertEqual(answer.status, 200)
        self.addCleanup(c.close)
        return answer

    def test_a_repeat_with_its_key_gets_the_first_answer(self):
        with self.daemon() as d:
            key = {"Idempotency-Key": "k-1"}
            first = self.post(d, "/pipelines/train/run", {"params": {}}, **key)
            self.assertEqual(first, (200, {"run": "train-1"}))
            self.assertEqual(self.post(d, "/pipelines/train/run", {"params": {}}, **key), first)
            d.restart()
            self.assertEqual(self.post(d, "/pipelines/train/run", {"params": {}}, **key), first)
            self.assertEqual(self.post(d, "/pipelines/train/run", {})[1], {"run": "train-2"})
            self.assertEqual(len(self.get(d, "/runs")[1]), 2)
            self.open_gate()

    def test_logs_follow_until_the_step_ends(self):
        with self.daemon() as d:
            self.post(d, "/pipelines/train/run", {})
            d.wait(lambda: self.get(d, "/runs/train-1/logs")[0] == 200, "a log")
            log = self.stream(d, "/runs/train-1/logs?follow=1")
            self.assertEqual(log.readline(), b"begun\n")
            self.open_gate()
            self.assertEqual(log.read(), b"ended\n")
            self.assertEqual(self.get(d, "/runs/train-1/logs?step=fit&attempt=1")[0], 200)
            self.assertEqual(self.get(d, "/runs/train-1/logs?attempt=2")[0], 404)
            self.assertEqual(self.get(d, "/runs/train-9/logs")[0], 404)

    def test_tail_shows_what_was_committed(self):
        with self.daemon() as d:
            tail = self.stream(d, "/events/tail")
            self.assertTrue(tail.readline().startswith(b":"))
            body = json.dumps({"specversion": "1.0", "type": "a.b", "id": "1", "source": "/t",
                               "data": {"x": "y"}}, indent=2)
            self.assertEqual(self.post(d, "/events", body)[0], 202)
            line = tail.readline()
            while not line.startswith(b"data: "):
                line = tail.readline()
            event = json.loads(line[6:])
            self.assertEqual((event["type"], event["data"]), ("a.b", {"x": "y"}))

    def test_explain_says_what_it_covers(self):
        with self.daemon() as d:
            self.open_gate()
            d.post_event(CREATED, data(500), "e1", "fraud")
            d.post_event(CREATED, data(500, "v2"), "e2", "fraud")
            d.post_event(CREATED, data(5), "e3", "fraud")
            status, one = self.get(d, "/explain?decision=1")
            self.assertEqual((status, one["outcome"], one["event"]["id"]), (200, "fired", "e1"))
            status, two = self.get(d, "/explain?rule=new-data&event=e2")
            self.assertEqual((status, two["outcome"]), (200, "suppressed"))
            self.assertIn(("cooldown", "blocked"), [
                (s["name"], s["verdict"]) for s in two["suppressors"]])
            for path in ("key=fraud", "key=fraud&event=e3"):
                status, now = self.get(d, "/explain?rule=new-data&" + path)
                self.assertEqual((status, now["evaluated_again"]), (200, True))
                self.assertEqual(now["event"]["id"], "e3")
            for path in ("key=fraud&event=e0", "key=other", "decision=99", "event=e0"):
                status, answer = self.get(d, "/explain?rule=new-data&" + path)
                self.assertEqual(status, 404, answer)
            self.assertEqual(self.get(d, "/explain?rule=other&decision=1")[0], 404)

    def test_who_waits_at_the_connection_limit_is_served(self):
        """While MHD is at its limit it does not listen; somebody must run it after."""
        with self.daemon(limits={"connections": 4}) as d:
            all_ = [http.client.HTTPConnection("127.0.0.1", d.port, timeout=20)
                    for _ in range(5)]
            for c in all_:
                self.addCleanup(c.close)
                c.request("GET", "/healthz")
                if c is not all_[-1]:
                    self.assertEqual(c.getresponse().read(), b"ok\n")
            d.freeze()              # all four are seen to close at one time
            for c in all_[:-1]:
                c.close()
            d.thaw()
            self.assertEqual(all_[-1].getresponse().status, 200)
            all_[-1].close()

    def test_a_trigger_is_stopped_or_forced(self):
        with self.daemon() as d:
            self.open_gate()
            d.post_event(CREATED, data(500), "e1", "fraud")
            status, answer = self.post(d, "/rules/new-data/trigger", {"key": "fraud"})
            self.assertEqual(status, 409)
            self.assertIn("cooldown", answer["error"])
            status, answer = self.post(d, "/rules/new-data/trigger",
                                       {"key": "fraud", "force": True})
            self.assertEqual((status, answer["run"]), (200, "train-2"))
            audit = self.get(d, "/audit")[1]
            self.assertEqual([(a["actor"], a["verb"], a["target"]) for a in audit],
                             [("admin", "trigger", "new-data")] * 2)

    def test_tokens_are_read_anew(self):
        with self.daemon() as d:
            path = os.path.join(d.dir, "t.token")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
                f.write("an-ingest-token-of-ours\n")
            self.assertEqual(d.http("GET", "/api/v1/runs", token="an-ingest-token-of-ours")[0],
                             401)
            d.config["http"]["tokens"] = [{"name": "t", "role": "ingest",
                                           "secret": {"file": "t.token"}}]
            d.write_config()
            d.signal(signal.SIGHUP)
            d.wait(lambda: d.http("GET", "/api/v1/runs", token="an-ingest-token-of-ours")[0]
                   == 403, "the token is known")
            self.assertEqual(d.http("POST", "/api/v1/events", "{}",
                                    token="an-ingest-token-of-ours")[0], 422)

    def test_too_many_changes_are_refused(self):
        with self.daemon(limits={"mutations_per_second": 1}) as d:
            answers = [d.http("POST", "/api/v1/resume", {}) for _ in range(10)]
            refused = [h for s, _, h in answers if s == 429]
            self.assertEqual(answers[0][0], 200)
            self.assertTrue(refused and all(h["Retry-After"] == "1" for h in refused))


if __name__ == "__main__":
    unittest.main()
