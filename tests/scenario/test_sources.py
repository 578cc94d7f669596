"""Each source to a completed run, with the acknowledgement after the commit."""
import json
import os
import unittest

from harness import Alertmanager, Daemon, Mosquitto, broker

RULES = """
rules:
  - name: new-data
    on: {type: dataset.version.created}
    when: data.rows >= 100
    run: {pipeline: train, params: {version: "${data.version}"}}
pipelines:
  - name: train
    params: {version: {type: string}}
    steps:
      - {name: train, command: [sh, -c, 'echo "training $RETRAIN_PARAM_VERSION";
          echo "{\\"model\\":\\"m-$RETRAIN_PARAM_VERSION\\"}" > "$RETRAIN_OUTPUTS"']}
"""
PLAIN = """
rules:
  - name: plain
    on: {type: machine.state}
    when: data.temperature > 80.0
    run: {pipeline: train, params: {version: "${event.subject}"}}
""" + RULES[RULES.index("pipelines:"):]


def event(id_, version, rows=500):
    return {"specversion": "1.0", "id": id_, "source": "/feast", "type":
            "dataset.version.created", "subject": "fraud",
            "data": {"version": version, "rows": rows}}


class Sources(unittest.TestCase):
    def assert_trained(self, d, version, count=1):
        runs = [r for r in d.wait_runs(count, state="completed")
                if d.ctl_json("describe", r["id"])["params"] == {"version": version}]
        self.assertEqual(len(runs), 1, runs)
        whole = d.ctl_json("describe", runs[0]["id"])
        self.assertEqual(whole["steps"][0]["outputs"], {"model": f"m-{version}"})
        self.assertEqual(whole["attempts"][0]["exit_code"], 0)
        self.assertIn(f"training {version}", d.ctl("logs", runs[0]["id"]).stdout)

    def test_http_structured_binary_and_batch(self):
        with Daemon(rules={"r.yaml": RULES}) as d:
            status, answer = d.post_event("dataset.version.created",
                                          {"version": "v1", "rows": 100}, "a1")
            self.assertEqual(status, 202, answer)
            self.assert_trained(d, "v1")
            status, answer, _ = d.http("POST", "/api/v1/events", json.dumps(
                {"version": "v2", "rows": 100}), {
                    "Content-Type": "application/json", "ce-specversion": "1.0",
                    "ce-id": "a2", "ce-source": "/x", "ce-type": "dataset.version.created"})
            self.assertEqual(status, 202, answer)
            self.assert_trained(d, "v2", 2)
            batch = [event("a3", "v3"), event("a4", "v4", rows=5)]
            status, answer, _ = d.http("POST", "/api/v1/events", json.dumps(batch), {
                "Content-Type": "application/cloudevents-batch+json"})
            self.assertEqual(status, 202, answer)
            self.assert_trained(d, "v3", 3)

    def test_http_repeat_gets_the_first_answer(self):
        with Daemon(rules={"r.yaml": RULES}) as d:
            first = d.post_event("dataset.version.created", {"version": "v", "rows": 900},
                                 "same")
            self.assertEqual(first[0], 202)
            again = d.post_event("dataset.version.created", {"version": "v", "rows": 900},
                                 "same")
            self.assertEqual(again[0], 202)
            self.assertEqual(again[1]["seq"], first[1]["seq"])
            d.restart()
            late = d.post_event("dataset.version.created", {"version": "v", "rows": 900},
                                "same")
            self.assertEqual(late[1]["seq"], first[1]["seq"])
            d.wait_runs(1, state="completed")

    def test_mqtt(self):
        for persistence in (True, False):
            with self.subTest(persistence=persistence), \
                    Mosquitto(persistence=persistence) as m, \
                    Daemon(rules={"r.yaml": RULES}, sources=[
                        {"name": "sensors", "kind": "mqtt", "url": m.url,
                         "topics": ["data/+"]}]) as d:
                d.wait_connected("sensors")
                m.publish("data/fraud", json.dumps(event("m1", "v1")))
                self.assert_trained(d, "v1")
                m.publish("data/fraud", json.dumps({"version": "v2", "rows": 300}),
                          properties={"specversion": "1.0", "id": "m2", "source": "/x",
                                      "type": "dataset.version.created"},
                          content_type="application/json")
                self.assert_trained(d, "v2", 2)

    def test_mqtt_user_and_tls(self):
        with Mosquitto(users={"ann": "secret"}, tls=True) as m, \
                Daemon(rules={"r.yaml": RULES}) as d:
            secret = os.path.join(d.dir, "password")
            with open(secret, "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
                f.write("secret\n")
            d.config["sources"].append({
                "name": "sensors", "kind": "mqtt", "url": m.url, "topics": ["data/#"],
                "user": "ann", "password": {"file": secret}, "ca": m.ca})
            d.write_config()
            d.restart()
            d.wait_connected("sensors")
            m.publish("data/x", json.dumps(event("t1", "v1")))
            self.assert_trained(d, "v1")

    def test_plain_json_through_a_map(self):
        with Mosquitto() as m, Daemon(rules={"r.yaml": PLAIN}, sources=[
                {"name": "machines", "kind": "mqtt", "url": m.url, "topics": ["plant/#"],
                 "map": {"type": "'machine.state'", "subject": "topic.split('/')[1]",
                         "data": "body.values"}}]) as d:
            d.wait_connected("machines")
            m.publish("plant/lathe", json.dumps({"values": {"temperature": 91.5}}))
            m.publish("plant/mill", json.dumps({"values": {"temperature": 20.0}}))
            self.assert_trained(d, "lathe")

    def test_kafka(self):
        with broker({"datasets": 2}) as k, Daemon(rules={"r.yaml": RULES}, sources=[
                {"name": "events", "kind": "kafka", "brokers": [k.bootstrap],
                 "topics": ["datasets"], "start": "begin"}]) as d:
            print(f"# broker: {'Apache Kafka' if k.real else 'mock cluster'}", flush=True)
            k.produce("datasets", [json.dumps(event("k1", "v1"))], partition=1)
            self.assert_trained(d, "v1")
            k.produce("datasets", [json.dumps({"version": "v2", "rows": 300})], headers={
                "ce_specversion": "1.0", "ce_id": "k2", "ce_source": "/x",
                "ce_type": "dataset.version.created", "content-type": "application/json"})
            self.assert_trained(d, "v2", 2)
            d.restart()
            k.produce("datasets", [json.dumps(event("k3", "v3"))], partition=0)
            self.assert_trained(d, "v3", 3)

    def test_brokers_down_at_start_and_restarted(self):
        k, m = broker({"datasets": 1}), Mosquitto()
        self.addCleanup(k.close)
        self.addCleanup(m.close)
        k.down()
        with Daemon(rules={"r.yaml": RULES}, sources=[
                {"name": "events", "kind": "kafka", "brokers": [k.bootstrap],
                 "topics": ["datasets"], "start": "begin"},
                {"name": "sensors", "kind": "mqtt", "url": m.url,
                 "topics": ["data/#"]}]) as d:
            self.assertEqual(d.http("GET", "/readyz", token=None)[0], 200)
            self.assertFalse(d.source("sensors")["connected"])
            m.start()
            k.up()
            d.wait_connected("sensors")
            m.publish("data/x", json.dumps(event("m1", "v1")))
            self.assert_trained(d, "v1")
            k.produce("datasets", [json.dumps(event("k1", "v2"))])
            self.assert_trained(d, "v2", 2)
            m.restart()
            k.down()
            k.up()
            d.wait_connected("sensors")
            m.publish("data/x", json.dumps(event("m2", "v3")))
            self.assert_trained(d, "v3", 3)
            k.produce("datasets", [json.dumps(event("k2", "v4"))])
            self.assert_trained(d, "v4", 4)

    def test_alertmanager(self):
        rules = """
rules:
  - name: alert
    on: {type: prometheus.alert, subject: Degraded, where: data.status == "firing"}
    key: data.labels.model
    run: {pipeline: train, params: {version: "${key}"}}
""" + RULES[RULES.index("pipelines:"):]
        with Daemon(rules={"r.yaml": rules}) as d, \
                Alertmanager(f"{d.url}/hooks/alertmanager", d.token()) as a:
            a.alert({"alertname": "Degraded", "model": "fraud"})
            self.assert_trained(d, "fraud")

    def test_schedule(self):
        rules = """
rules:
  - name: often
    schedule: {every: 1s}
    run: {pipeline: train, params: {version: tick}}
""" + RULES[RULES.index("pipelines:"):]
        with Daemon(rules={"r.yaml": rules}) as d:
            d.wait(lambda: len(d.runs(state="completed", rule="often")) >= 2, "two ticks")
            dues = [x["due"] for x in d.ctl_json("get", "dues")]
            self.assertEqual(len(dues), len(set(dues)))
            self.assertTrue(all(x.endswith(".000Z") for x in dues), dues)


if __name__ == "__main__":
    unittest.main()
