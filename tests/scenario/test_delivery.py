"""What sources promise beyond the first run: once, acknowledged late, and by whom."""
import ctypes
import ctypes.util
import json
import os
import sqlite3
import subprocess
import unittest

from harness import Daemon, Mosquitto, Wire, broker, build_dir

# One decision per number, whatever the message's identity.
COUNTED = """
rules:
  - name: counted
    on: {type: count%s}
    key: data.n
    mode: observe
    run: noop
pipelines: [{name: noop, steps: [{name: a, command: ["true"]}]}]
"""
ID_LESS = {"type": "'count'", "data": "body"}


def event(n, **data):
    return json.dumps({"specversion": "1.0", "id": f"c{n}", "source": "/t", "type": "count",
                       "data": {"n": n, **data}})


def keys(d, **want):
    return sorted(x["key"] for x in d.decisions(**want))


class Mqtt(unittest.TestCase):
    def source(self, m, port=None, **more):
        return {"name": "s", "kind": "mqtt", "url": f"mqtt://127.0.0.1:{port or m.port}",
                "topics": ["t/#"], **more}

    def test_lost_acknowledgements_without_ids(self):
        """The broker sends again what was decided; nothing but (packet id, hash) says so.

        Equal payloads are different messages, and quarantine rows are not doubled."""
        with Mosquitto() as m, Wire(m.port) as wire, Daemon(
                rules={"r.yaml": COUNTED % ""},
                sources=[self.source(m, wire.port, map=ID_LESS)]) as d:
            d.wait_connected("s")
            m.publish("t/a", '{"n": 0}')
            d.wait(lambda: len(d.decisions()) == 1, "the first is decided")
            wire.mute()
            payloads = ['{"n": 1}', '{"n": 1}', "not json", '{"n": 2}', '{"n": 3}']
            m.publish_lines("t/a", payloads)
            d.wait(lambda: len(d.decisions()) == 5, "the muted ones are decided")
            d.kill9()
            wire.unmute()
            d.start()
            d.wait(lambda: d.source("s")["repeats"] >= len(payloads), "they come again")
            m.publish("t/a", '{"n": 3}')
            d.wait(lambda: len(d.decisions()) == 6, "a new equal one is decided")
            self.assertEqual(keys(d), ["0", "1", "1", "2", "3", "3"])
            self.assertEqual([q["reason"] for q in d.ctl_json("get", "quarantine")],
                             ["not_json"])

    def test_retained_message_is_state(self):
        both = {"plain.yaml": COUNTED % "", "kept.yaml": (COUNTED % ", retained: true")
                .replace("name: counted", "name: kept").replace("noop", "noop2")}
        with Mosquitto() as m:
            m.publish("t/state", event(1), retain=True)
            with Daemon(rules=both, sources=[self.source(m)]) as d:
                d.wait(lambda: keys(d, rule="kept") == ["1"], "state is seen by who asks")
                d.restart()         # subscribed already: not sent again
                d.wait_connected("s")
                m.publish("t/live", event(2))
                d.wait(lambda: keys(d, rule="kept") == ["1", "2"], "a live message")
                self.assertEqual(keys(d, rule="counted"), ["2"])

    def test_quarantine_goes_on(self):
        with Mosquitto() as m, Daemon(rules={"r.yaml": COUNTED % ""}, sources=[
                self.source(m, map={"type": "body.kind", "data": "body"},
                            payload="1Ki")]) as d:
            d.wait_connected("s")
            m.publish("t/a", b'{"n": \xff}')
            m.publish("t/a", '{"n": 1}')                    # nothing to make a type of
            m.publish("t/a", '{"kind": "count", "n": "%s"}' % ("x" * 1024))
            m.publish("t/a", '{"kind": "count", "n": 2}')
            d.wait(lambda: keys(d) == ["2"], "the good one is decided")
            rows = list(reversed(d.ctl_json("get", "quarantine")))
            self.assertEqual([q["reason"] for q in rows],
                             ["not_utf8", "map_error", "too_large"])
            self.assertEqual({q["source"] for q in rows}, {"s"})
            self.assertEqual({q["part"] for q in rows}, {"t/a"})
            self.assertEqual(bytes.fromhex(rows[0]["head"]), b'{"n": \xff}')
            self.assertEqual(rows[2]["bytes"], len('{"kind": "count", "n": ""}') + 1024)
            counts = d.metrics()
            self.assertEqual(
                [counts[f'retraind_events_total{{source="s",outcome="{o}"}}']
                 for o in ("accepted", "quarantined", "duplicate")], [1, 3, 0])


class Refusals(unittest.TestCase):
    def secret(self, d, text):
        path = os.path.join(d.dir, "password")
        with open(path, "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write(text + "\n")
        return {"file": path}

    def restart_with(self, d, **source):
        d.config["sources"][1:] = [source]
        d.write_config()
        d.restart()

    def refused(self, d, *words):
        """The source is down, and its detail says why."""
        d.wait(lambda: any(w in d.source("s")["detail"] for w in words),
               f"the detail says {' or '.join(words)}")
        self.assertFalse(d.source("s")["connected"])
        self.assertEqual(d.http("GET", "/readyz", token=None)[0], 200)

    def test_mqtt_password_and_authority(self):
        with Mosquitto(users={"ann": "right"}, tls=True) as m, \
                Daemon(rules={"r.yaml": COUNTED % ""}) as d:
            base = {"name": "s", "kind": "mqtt", "url": m.url, "topics": ["t"],
                    "user": "ann", "password": self.secret(d, "wr0ngpass")}
            self.restart_with(d, **base)
            self.refused(d, "certificate")
            self.restart_with(d, **base, ca=m.ca)
            self.refused(d, "ot authori")
            self.secret(d, "right")         # read anew at each connect
            d.wait_connected("s")
            m.publish("t", event(1))
            d.wait(lambda: keys(d) == ["1"], "it is decided")
            self.assertNotIn("wr0ngpass", d.log())

    def test_kafka_tls_and_sasl(self):
        with broker({"t": 1}, users={"ann": "right"}) as k, \
                Daemon(rules={"r.yaml": COUNTED % ""}) as d:
            k.produce("t", [event(1)])
            base = {"name": "s", "kind": "kafka", "brokers": [k.secured], "topics": ["t"],
                    "start": "begin"}
            self.restart_with(d, **base)                    # plain text to a TLS port
            self.refused(d, "isconnect", "SSL", "ssl")
            sasl = {"security_protocol": "sasl_ssl", "sasl_mechanism": "PLAIN",
                    "user": "ann", "password": self.secret(d, "wr0ngpass")}
            self.restart_with(d, **base, **sasl)            # signed by nobody we know
            self.refused(d, "certificate", "SSL")
            self.restart_with(d, **base, **sasl, ca=k.ca)
            self.refused(d, "uthentication")
            self.assertEqual(d.decisions(), [])
            self.secret(d, "right")
            d.restart()
            d.wait(lambda: keys(d) == ["1"], "it is decided")
            self.assertNotIn("wr0ngpass", d.log())

    def test_config_refuses_what_may_not_pass(self):
        kafka = {"name": "s", "kind": "kafka", "brokers": ["127.0.0.1:1"], "topics": ["t"]}
        mqtt = {"name": "s", "kind": "mqtt", "url": "mqtt://127.0.0.1", "topics": ["t"]}
        cases = [
            ({**kafka, "password": "hunter2"}, "never the secret itself"),
            ({**kafka, "properties": {"plugin.library.paths": "x.so"}}, "plugin.library"),
            ({**kafka, "properties": {"enable.auto.commit": "true"}}, "enable.auto.commit"),
            ({**kafka, "properties": {"ssl.ca.location": "/x"}}, "ssl.ca.location"),
            ({**kafka, "properties": {"sasl.password": "hunter2"}}, "sasl.password"),
            ({**kafka, "security_protocol": "sasl_sl"}, "did you mean 'sasl_ssl'"),
            ({**mqtt, "password": "hunter2"}, "never the secret itself"),
            ({**mqtt, "qos": 0}, "qos: 0 is refused"),
            ({**mqtt, "qos": 2}, "qos: 2 is refused"),
            ({**mqtt, "topics": ["a/#/b"]}, "'a/#/b' is not a topic filter"),
            ({**mqtt, "url": "http://x"}, "mqtt://"),
        ]
        with Daemon() as d:
            path = os.path.join(d.dir, "other.yaml")
            for source, words in cases:
                with self.subTest(words):
                    with open(path, "w") as f:
                        json.dump({"sources": [source]}, f)
                    done = subprocess.run(
                        [os.path.join(build_dir(), "retraind"), "--config", path,
                         "--check"], capture_output=True, text=True, env=d.env())
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertIn(words, done.stderr)
                    self.assertNotIn("hunter2", done.stderr)


def messages(d):
    """The journal's message frames: kind 'm' or, of messages in a row, 'r', a length,
    then the mode and the rest."""
    zstd = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
    zstd.ZSTD_decompress.restype = ctypes.c_size_t
    zstd.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t] * 2
    db, out = sqlite3.connect(f"file:{d.database}?mode=ro", uri=True), []
    for size, blob in db.execute("SELECT bytes, zblob FROM journal ORDER BY turn0"):
        room = ctypes.create_string_buffer(size)
        assert zstd.ZSTD_decompress(room, size, blob, len(blob)) == size
        at = 0
        while at < size:
            kind, at, n, shift = room.raw[at:at + 1], at + 1, 0, 0
            while True:
                byte, at = room.raw[at], at + 1
                n, shift = n | (byte & 127) << shift, shift + 7
                if byte < 128:
                    break
            if kind in b"mr":
                out.append(room.raw[at:at + n])
            at += n
    db.close()
    return out


class Journal(unittest.TestCase):
    def test_full_ref_and_off(self):
        modes = ("full", "ref", "off")
        with broker({f"topic-{m}": 1 for m in modes}) as k, Daemon(
                rules={"r.yaml": COUNTED % ""},
                sources=[{"name": m, "kind": "kafka", "brokers": [k.bootstrap],
                          "topics": [f"topic-{m}"], "start": "begin", "journal": m}
                         for m in modes]) as d:
            for m in modes:
                k.produce(f"topic-{m}", [event(m, text=f"payload-{m}")])
            d.wait(lambda: keys(d) == sorted(modes), "all three are decided")
            d.restart()                     # from state, whatever the journal has
            self.assertEqual(keys(d), sorted(modes))
            rows = {m: [x for x in messages(d) if f"topic-{m}".encode() in x]
                    for m in modes}
            # The order of inputs is kept whole, whatever is kept of payloads.
            self.assertEqual([(m, len(v), v[0][:1]) for m, v in rows.items()],
                             [("full", 1, b"f"), ("ref", 1, b"r"), ("off", 1, b"o")])
            self.assertIn(event("full", text="payload-full").encode(), rows["full"][0])
            self.assertNotIn(b"payload", rows["ref"][0] + rows["off"][0])


class Status(unittest.TestCase):
    def test_fields_and_lag(self):
        with broker({"t": 2}) as k, Mosquitto() as m, Daemon(
                rules={"r.yaml": COUNTED % ""}, sources=[
                    {"name": "k", "kind": "kafka", "brokers": [k.bootstrap],
                     "topics": ["t"], "start": "begin"},
                    {"name": "m", "kind": "mqtt", "url": m.url, "topics": ["t"]}]) as d:
            k.produce("t", [event(n) for n in range(5)])
            d.wait(lambda: len(d.decisions()) == 5, "all are decided")
            d.wait_connected("m")
            rows = {s["name"]: s for s in d.ctl_json("get", "sources")}
            self.assertEqual({n: s["kind"] for n, s in rows.items()},
                             {"run": "run", "http": "http", "k": "kafka", "m": "mqtt"})
            for s in rows.values():
                self.assertEqual((s["state"], s["connected"], s["reconnects"], s["gaps"],
                                  s["repeats"]), ("connected", True, 0, 0, 0), s)
            self.assertEqual({n: s["lag"] for n, s in rows.items()},
                             {"run": 0, "http": 0, "k": 0, "m": None})
            self.assertIn(k.bootstrap, rows["k"]["detail"])
            m.stop()
            d.wait(lambda: d.source("m")["state"] == "down", "it is seen to be down")
            self.assertFalse(d.source("m")["connected"])
            self.assertIn("down", d.source("m")["detail"])
            self.assertEqual(
                d.metrics()['retraind_source_connected{source="m"}'], 0)
            m.start()
            d.wait_connected("m")
            self.assertEqual(d.source("m")["reconnects"], 1)

    def test_lag_grows_while_paused_and_is_read_after(self):
        with broker({"t": 2}) as k, Daemon(rules={"r.yaml": COUNTED % ""}, sources=[
                {"name": "k", "kind": "kafka", "brokers": [k.bootstrap], "topics": ["t"],
                 "start": "begin"}]) as d:
            k.produce("t", [event(0)])
            d.wait(lambda: keys(d) == ["0"], "the first is decided")
            d.ctl("pause")
            k.produce("t", [event(n) for n in range(1, 6)])
            d.wait(lambda: d.source("k")["lag"] == 5, "the lag is seen")
            self.assertEqual(d.source("k")["detail"], "paused")
            self.assertEqual(keys(d), ["0"])
            d.ctl("resume")
            d.wait_connected("k")
            d.wait(lambda: keys(d) == [str(n) for n in range(6)], "the rest is decided")
            self.assertEqual(d.source("k")["lag"], 0)


class Http(unittest.TestCase):
    def post(self, d, body, key):
        return d.http("POST", "/api/v1/events", body, {
            "Content-Type": "application/cloudevents+json", "Idempotency-Key": key})[:2]

    def test_idempotency_key(self):
        """Of the request, so it holds whatever the ids inside; across a kill too."""
        with Daemon(rules={"r.yaml": COUNTED % ""}) as d:
            first = self.post(d, event(1), "key-1")
            self.assertEqual(first[0], 202)
            self.assertEqual(self.post(d, event(2), "key-1"), first)
            d.kill9()
            d.start()
            self.assertEqual(self.post(d, event(3), "key-1"), first)
            other = self.post(d, event(4), "key-2")
            self.assertEqual(other[0], 202)
            self.assertGreater(other[1]["seq"], first[1]["seq"])
            self.assertEqual(keys(d), ["1", "4"])
            long = self.post(d, event(5), "k" * 256)
            self.assertEqual(long[0], 400, long)

    def test_idempotency_key_of_a_command(self):
        with Daemon(rules={"r.yaml": COUNTED % ""}) as d:
            def run(key):
                return d.http("POST", "/api/v1/pipelines/noop/run", {},
                              {"Idempotency-Key": key})[:2]
            first = run("k1")
            self.assertEqual(first[0], 200, first)
            self.assertEqual(run("k1"), first)
            d.kill9()
            d.start()
            self.assertEqual(run("k1"), first)
            self.assertNotEqual(run("k2")[1]["run"], first[1]["run"])
            d.wait_runs(2, state="completed")


CHAIN = """
rules:
  - name: first
    on: {type: go}
    run: {pipeline: train, params: {n: "${data.n}"}}
  - name: second
    on: {source: run, type: retraind.run.completed, where: data.pipeline == "train"}
    run: {pipeline: publish, params: {of: "${data.run}"}}
pipelines:
  - name: train
    params: {n: {type: int}}
    steps: [{name: a, command: [sh, -c, "exit $(($RETRAIN_PARAM_N % 2))"]}]
  - name: publish
    params: {of: {type: string}}
    steps: [{name: a, command: ["true"]}]
"""


class RunSource(unittest.TestCase):
    def test_a_completed_run_starts_another_pipeline_once(self):
        with Daemon(rules={"r.yaml": CHAIN}) as d:
            # Somebody else's event of that type is none of ours.
            self.assertEqual(d.post_event("retraind.run.completed", {
                "pipeline": "train", "run": "train-9"}, "forged")[0], 202)
            for n in (2, 3, 4):
                self.assertEqual(d.post_event("go", {"n": n}, f"g{n}")[0], 202)
            d.wait_runs(2, pipeline="publish", state="completed")
            d.kill9()
            d.start()
            d.wait(lambda: d.source("run")["lag"] == 0, "own events are read")
            trained = {r["id"] for r in d.runs(pipeline="train", state="completed")}
            self.assertEqual(len(trained), 2)
            self.assertEqual(len(d.runs(pipeline="train", state="failed")), 1)
            published = d.runs(pipeline="publish")
            self.assertEqual(sorted(r["params"]["of"] for r in published), sorted(trained))
            causes = {r["events"][0]["type"] for r in published}
            self.assertEqual(causes, {"retraind.run.completed"})


if __name__ == "__main__":
    unittest.main()
