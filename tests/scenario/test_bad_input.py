"""Bad input and bad surroundings: each a clear error, and nothing lost."""
import json
import os
import subprocess
import unittest

from harness import Daemon, Mosquitto, SmallDisk, broker, build_dir, wait_until

RULES = """
rules:
  - name: go
    on: {type: go}
    when: data.n > 0
    run: done
pipelines: [{name: done, steps: [{name: a, command: ["true"]}]}]
"""


def event(id_, n=1, **more):
    return json.dumps({"specversion": "1.0", "id": id_, "source": "/t", "type": "go",
                       "data": {"n": n}, **more})


def deep(levels):
    return ('{"specversion":"1.0","id":"d","source":"/t","type":"go","data":'
            + '{"a":' * levels + "1" + "}" * levels + "}")


BAD = {                                     # body, quarantine reason
    "not UTF-8": (b'{"specversion":"1.0","id":"\xff\xfe","source":"/t","type":"go"}',
                  "not_utf8"),
    "broken JSON": (b'{"specversion":"1.0","id":', "not_json"),
    "2 MiB": (b'{"specversion":"1.0","id":"x","source":"/t","type":"go","data":"'
              + b"x" * (2 << 20) + b'"}', "too_large"),
    "200 deep": (deep(200).encode(), "too_deep"),
    "no type": (b'{"specversion":"1.0","id":"x","source":"/t"}', "no_attribute"),
    "id is a number": (b'{"specversion":"1.0","id":7,"source":"/t","type":"go"}',
                       "bad_attribute"),
    "bad time": (b'{"specversion":"1.0","id":"x","source":"/t","type":"go",'
                 b'"time":"yesterday"}', "bad_time"),
}


class BadEvents(unittest.TestCase):
    def test_http_says_what_is_wrong(self):
        with Daemon(rules={"r.yaml": RULES}) as d:
            for name, (body, reason) in BAD.items():
                with self.subTest(name):
                    status, answer, _ = d.http("POST", "/api/v1/events", body, {
                        "Content-Type": "application/cloudevents+json"})
                    self.assertIn(status, (400, 413, 422), answer)
                    self.assertTrue(answer["error"], answer)
            self.assertEqual(d.http("POST", "/api/v1/events", event("ok"), {
                "Content-Type": "application/cloudevents+json"})[0], 202)
            d.wait_runs(1, state="completed")

    def quarantined(self, d):
        return [q["reason"] for q in reversed(d.ctl_json("get", "quarantine"))]

    def test_kafka_quarantines_and_goes_on(self):
        with broker({"t": 1}) as k, Daemon(rules={"r.yaml": RULES}, sources=[
                {"name": "events", "kind": "kafka", "brokers": [k.bootstrap],
                 "topics": ["t"], "start": "begin"}]) as d:
            for body, _ in BAD.values():
                k.produce_bytes("t", body, {
                    "content-type": "application/cloudevents+json"})
            k.produce("t", [event("good")])
            d.wait_runs(1, state="completed")
            self.assertEqual(self.quarantined(d), [r for _, r in BAD.values()])

    def test_mqtt_quarantines_and_goes_on(self):
        with Mosquitto() as m, Daemon(rules={"r.yaml": RULES}, sources=[
                {"name": "s", "kind": "mqtt", "url": m.url, "topics": ["t"]}]) as d:
            d.wait_connected("s")
            small = {n: b for n, b in BAD.items() if n != "2 MiB"}   # the broker drops it
            for body, _ in small.values():
                m.publish("t", body, content_type="application/cloudevents+json")
            m.publish("t", event("good"))
            d.wait_runs(1, state="completed")
            self.assertEqual(self.quarantined(d), [r for _, r in small.values()])

    def test_unknown_type_and_wrong_data_decide_nothing(self):
        with Daemon(rules={"r.yaml": RULES}) as d:
            d.post_event("other", {"n": 1}, "u1")
            d.post_event("go", {"n": "many"}, "u2")
            d.post_event("go", {}, "u3")
            d.post_event("go", {"n": 1}, "u4")
            d.wait_runs(1, state="completed")
            self.assertEqual(len(d.decisions(outcome="fired")), 1)


class BadRules(unittest.TestCase):
    def test_bad_edit_leaves_the_old_set_running(self):
        with Daemon(rules={"r.yaml": RULES}, config={"rules": {"settle": "100ms"}}) as d:
            bad = RULES.replace("when:", "wen:").replace("run: done", "run: dne")
            d.write_rule("r.yaml", bad)
            d.wait(lambda: d.metrics()["retraind_rules_last_reload_successful"] == 0,
                   "the edit is noticed")
            answer = d.ctl("reload", expect=1)
            for text in ("r.yaml:5:5", "did you mean 'when'", "did you mean 'done'"):
                self.assertIn(text, answer.stdout + answer.stderr + d.log())
            d.post_event("go", {"n": 1}, "e1")
            d.wait_runs(1, state="completed")
            # A start over bad files runs the last good set.
            d.restart()
            d.post_event("go", {"n": 1}, "e2")
            d.wait_runs(2, state="completed")
            d.write_rule("r.yaml", RULES.replace("n > 0", "n > 100"))
            d.wait(lambda: d.metrics()["retraind_rules_last_reload_successful"] == 1,
                   "the mended file is loaded")
            d.post_event("go", {"n": 50}, "e3")
            d.post_event("go", {"n": 500}, "e4")
            d.wait_runs(3, state="completed")

    def test_hup_reloads(self):
        with Daemon(rules={"r.yaml": RULES}, config={"rules": {"watch": False}}) as d:
            d.write_rule("r.yaml", RULES.replace("name: go", "name: went"))
            d.signal(1)
            d.wait(lambda: [r["name"] for r in d.ctl_json("get", "rules")] == ["went"],
                   "the new set runs")

    def test_world_writable_file_is_refused(self):
        with Daemon(rules={"r.yaml": RULES}) as d:
            os.chmod(os.path.join(d.rules_dir, "r.yaml"), 0o666)
            answer = d.ctl("reload", expect=1)
            self.assertIn("may be written by everyone", answer.stdout + answer.stderr)

    def test_check_prints_every_error_at_once(self):
        with Daemon(rules={"r.yaml": RULES}) as d:
            path = os.path.join(d.dir, "bad.yaml")
            with open(path, "w") as f:
                f.write(RULES.replace("when:", "wen:").replace("run: done", "run: dne"))
            out = d.ctl("check", path, expect=1).stdout
            self.assertIn("bad.yaml:5:5: error: unknown key 'wen'", out)
            self.assertIn("2 errors", out)


class Surroundings(unittest.TestCase):
    def test_second_daemon_on_the_same_directory(self):
        with Daemon(rules={"r.yaml": RULES}) as d:
            done = subprocess.run([os.path.join(build_dir(), "retraind"), "--dir", d.dir],
                                  capture_output=True, text=True, timeout=60, env=d.env())
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("another retraind holds", done.stderr)
            self.assertEqual(d.http("GET", "/readyz", token=None)[0], 200)

    def test_full_disk_stops_reading_and_resumes_by_itself(self):
        d = Daemon(rules={"r.yaml": RULES}, config={"store": {"reserve": "1Mi"},
                                                    "runs": {"min_free": "0"}})
        os.mkdir(d.state_dir, 0o700)
        with SmallDisk(d.state_dir, "12m") as disk, d:
            d.post_event("go", {"n": 1}, "e1")
            d.wait_runs(1, state="completed")
            disk.fill()
            statuses = set()

            def refused():
                status, _ = d.post_event("go", {"n": -1}, f"x{len(statuses)}",
                                         extra="x" * 100000)
                statuses.add(status)
                return "disk full" in d.log()
            try:
                wait_until(refused, 60, "the disk is found full", watch=d)
            except OSError:
                pass                # the answer waits for the commit: the client gave up
            self.assertNotEqual(d.http("GET", "/readyz", token=None)[0], 500)
            disk.free()
            d.wait(lambda: d.http("GET", "/readyz", token=None)[0] == 200, "ready again")
            d.wait(lambda: d.post_event("go", {"n": 1}, "e2")[0] == 202, "taken again")
            d.wait_runs(2, state="completed")

    def test_read_only_database(self):
        d = Daemon(rules={"r.yaml": RULES})
        os.mkdir(d.state_dir, 0o700)
        with SmallDisk(d.state_dir, "12m") as disk:
            d.start()
            d.term()
            disk.read_only()
            done = subprocess.run(d.argv(), capture_output=True, text=True, timeout=60,
                                  env=d.env())
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("ead-only", done.stderr)
            disk.read_only(False)
            d.start()
            d.term()
        d.close()

    def test_bad_config_is_refused_with_its_position(self):
        with Daemon() as d:
            path = os.path.join(d.dir, "bad.yaml")
            with open(path, "w") as f:
                f.write("state_dir: x\nrulez: {dir: x}\nlimits: {depth: many}\n"
                        "sources:\n  - {name: a, kind: kafkaa}\n")
            done = subprocess.run([os.path.join(build_dir(), "retraind"), "--config", path,
                                   "--check"], capture_output=True, text=True, env=d.env())
            self.assertEqual(done.returncode, 2)
            for text in ("bad.yaml:2:1: error: unknown key 'rulez'", "did you mean 'rules'",
                         "bad.yaml:3:", "did you mean 'kafka'"):
                self.assertIn(text, done.stderr)


if __name__ == "__main__":
    unittest.main()
