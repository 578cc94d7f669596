"""The harness on itself: each real part starts, carries a message, comes back."""
import http.server
import json
import os
import subprocess
import tempfile
import threading
import unittest

from harness import (Alertmanager, KafkaMock, Mosquitto, SmallDisk, Timeout, alive, broker,
                     build_dir, free_port, wait_until)


class MosquittoTest(unittest.TestCase):
    def test_message_waits_in_a_session(self):
        with Mosquitto() as m:
            m.subscribe("a/b", "reader")
            m.publish("a/b", "one")
            m.publish_lines("a/b", ["two", "three"])
            self.assertEqual(m.receive("a/b", 3, "reader"), ["one", "two", "three"])

    def test_persistent_session_survives_kill(self):
        with Mosquitto(persistence=True) as m:
            m.subscribe("a/b", "reader")
            m.publish("a/b", "kept")
            wait_until(lambda: m.saved("kept"), 30, "the message is saved", watch=m)
            m.kill()
            m.start()
            self.assertEqual(m.receive("a/b", 1, "reader"), ["kept"])

    def test_without_persistence_a_restart_forgets(self):
        with Mosquitto(persistence=False) as m:
            m.subscribe("a/b", "reader")
            m.publish("a/b", "lost")
            m.restart()
            m.subscribe("a/b", "reader")
            m.publish("a/b", "after")
            self.assertEqual(m.receive("a/b", 1, "reader"), ["after"])

    def test_users_and_tls(self):
        with Mosquitto(users={"ann": "secret"}, tls=True) as m:
            m.subscribe("a", "reader")
            m.publish("a", "one", properties={"k": "v"}, content_type="text/plain")
            self.assertEqual(m.receive("a", 1, "reader"), ["one"])
            m.users = {"ann": "wrong"}
            with self.assertRaises(subprocess.CalledProcessError):
                m.publish("a", "two")


class KafkaTest(unittest.TestCase):
    def test_topic_and_messages_survive_kill(self):
        with broker({"t": 3}) as k:
            topics = {t["topic"]: len(t["partitions"]) for t in k.metadata()["topics"]}
            self.assertEqual(topics["t"], 3)
            k.produce("t", [("k1", "one"), ("k2", "two")], headers={"h": "v"}, partition=1)
            if k.real:
                k.kill()
            k.down()
            k.up()
            got = k.consume("t")
            self.assertEqual([(m["partition"], m["key"], m["payload"]) for m in got],
                             [(1, "k1", "one"), (1, "k2", "two")])
            self.assertEqual(got[0]["headers"], ["h", "v"])

    def test_down_from_the_start(self):
        k = broker({"t": 1})
        self.addCleanup(k.close)
        k.down()
        self.assertFalse(k.real and k.ready())
        k.up()
        k.produce("t", ["one"])
        self.assertEqual([m["payload"] for m in k.consume("t")], ["one"])

    def test_large_message(self):
        with broker({"t": 1}) as k:
            k.produce_bytes("t", b"x" * (2 << 20))
            self.assertEqual([len(m["payload"]) for m in k.consume("t")], [2 << 20])


@unittest.skipUnless(os.path.exists(f"{build_dir()}/tests/kafka_mock"),
                     "kafka_mock is not built")
class KafkaMockTest(unittest.TestCase):
    def test_round_trip_and_clean_end(self):
        with KafkaMock({"t": 2}) as k:
            k.produce("t", [("k", "one")], partition=1)
            got = k.consume("t")
            self.assertEqual([(m["partition"], m["payload"]) for m in got], [(1, "one")])
            self.assertEqual(k.stop(), 0)


class AlertmanagerTest(unittest.TestCase):
    def test_alert_reaches_the_hook_with_its_token(self):
        got = []

        class Hook(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                got.append((self.headers["Authorization"], json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}/hook"
            with Alertmanager(url, token="t0k") as a:
                a.alert({"alertname": "drift", "model": "m1"})
                wait_until(lambda: got, 30, "the hook is called", watch=a)
            server.shutdown()
        token, body = got[0]
        self.assertEqual(token, "Bearer t0k")
        self.assertEqual(body["alerts"][0]["labels"],
                         {"alertname": "drift", "model": "m1"})


class SmallDiskTest(unittest.TestCase):
    def test_full_then_free_then_read_only(self):
        where = tempfile.mkdtemp()
        self.addCleanup(os.rmdir, where)
        file = os.path.join(where, "file")
        with SmallDisk(where, 1 << 20) as disk:
            disk.fill()
            with self.assertRaisesRegex(OSError, "No space left"):
                with open(file, "wb") as f:
                    f.write(b"x" * 8192)
            disk.free()
            with open(file, "wb") as f:
                f.write(b"x" * 8192)
            disk.read_only()
            with self.assertRaisesRegex(OSError, "Read-only"):
                os.unlink(file)
        self.assertEqual(os.listdir(where), [])


class WaitTest(unittest.TestCase):
    def test_deadline_names_what_was_awaited(self):
        with self.assertRaisesRegex(Timeout, "the moon: not within 0 s"):
            wait_until(lambda: False, 0, "the moon")

    def test_death_of_the_watched_part_ends_the_wait(self):
        with Mosquitto(persistence=False) as m:
            pid = m.proc.pid
            m.signal(9)
            with self.assertRaisesRegex(RuntimeError, "mosquitto ended with -9"):
                wait_until(lambda: False, 30, "nothing", watch=m)
            self.assertFalse(alive(pid))

    def test_ports_differ(self):
        self.assertEqual(len({free_port() for _ in range(50)}), 50)


if __name__ == "__main__":
    unittest.main()
