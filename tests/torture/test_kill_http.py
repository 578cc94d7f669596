"""kill -9 over HTTP, with clients that send again, under the same id, until a 202.

Several clients, each with a type of its own; one waits for its answer before it goes
on, so the order of its events is known.  They send single events, batches, and bodies
without an id under an Idempotency-Key; they hang up before the answer; they ask again
for what was answered.  Checked while the daemon is down: what was acknowledged is in
the database, and every answer, first or repeated, names the input that was decided.
"""
import http.client
import json
import threading
import unittest

from harness import Daemon, torture, wait_until
from harness.kill_loop import LOAD_S, KillLoop
from harness.kill_oracle import Feed, rule_files

CLIENTS = 4
KILLS = torture.count(100, 2000)
BATCH = 20                  # events at most
TYPES = {"event": "application/cloudevents+json",
         "batch": "application/cloudevents-batch+json", "plain": "application/json"}


class Client(threading.Thread):
    """Sends its part of the input log, request by request."""

    def __init__(self, d, feed, rng):
        super().__init__(daemon=True)
        self.d, self.feed, self.rng, self.token = d, feed, rng, d.token()
        self.connection = self.error = None
        self.stopped = threading.Event()
        self.answers = []           # (names of its events, seq), as soon as read
        self.old = []               # (request, answer), to be sent once more
        self.sends = self.requests = 0

    def run(self):
        try:
            while not self.stopped.is_set():
                self.step()
        except BaseException as e:  # pylint: disable=broad-except
            self.error = e
        finally:
            self.hang_up()

    def step(self):
        events = self.request()
        answer = self.insist(*events[:2])
        assert answer["accepted"] == len(events[2]), (events, answer)
        self.answers.append((events[2], answer["seq"]))
        self.requests += 1
        if self.rng.random() < 0.1:
            self.old.append((events, answer))
        if self.old and self.rng.random() < 0.1:
            events, first = self.old.pop(self.rng.randrange(len(self.old)))
            again = self.insist(*events[:2])
            assert again == first, f"{events} was answered {first}, now {again}"

    def request(self):
        """(body, headers, names of the events)"""
        kind = self.rng.choice(("event", "event", "batch", "plain"))
        part = self.feed.take(self.rng.randrange(2, BATCH + 1) if kind == "batch" else 1)
        names = [self.feed.id(n) for n, _, _ in part]
        head = {"Content-Type": TYPES[kind], "Authorization": f"Bearer {self.token}"}
        if kind == "plain":
            head["Idempotency-Key"] = f"key of {names[0]}"
            body = self.feed.plain(*part[0])
        else:
            body = [self.feed.event(*e) for e in part]
            body = body if kind == "batch" else body[0]
        return json.dumps(body), head, names

    def insist(self, body, head):
        """The answer, at last; between two tries it waits a little, as clients do."""
        return wait_until(lambda: self.attempt(body, head), 60, "a 202", every=0.005)

    def attempt(self, body, head):
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.d.port,
                                                             timeout=10)
                self.connection.connect()
            self.connection.request("POST", "/api/v1/events", body, head)
            self.sends += 1
            if self.rng.random() < 0.03:
                self.hang_up()
                return None
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.hang_up()
            return None
        if answer.status == 503:    # starting, or not stored yet
            return None
        if answer.status != 202:
            raise RuntimeError(f"{answer.status} {text} for {body}")
        return json.loads(text)

    def hang_up(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class HttpKills(KillLoop):
    def check_answers(self, clients):
        """Nobody writes now: the daemon is down."""
        self.decided.look()
        for c in clients:
            for names, seq in [c.answers.pop() for _ in range(len(c.answers))]:
                missing = [n for n in names if n not in self.decided.seq]
                self.assertEqual([], missing, "acknowledged and lost")
                self.assertEqual(self.decided.seq[names[0]], seq,
                                 f"the answer for {names[0]} is the first one's")

    def http_loop(self, clients):
        while self.box.open():
            self.d.pause(self.rng.uniform(0, LOAD_S))
            self.kill()
            self.check_answers(clients)
            self.come_back()
            self.assertEqual([], [c.error for c in clients if c.error])
        for c in clients:
            c.stopped.set()
        for c in clients:
            c.join(120)
            self.assertIsNone(c.error)
            self.assertFalse(c.is_alive())

    def test_every_event_once_over_http(self):
        feeds = [Feed(f"c{i}", torture.SEED) for i in range(CLIENTS)]
        http_source = {"name": "http", "kind": "http", "map": {
            "type": "body.load", "time": "timestamp(body.at)", "data": "body"}}
        with Daemon(rules=rule_files(feeds),
                    config={**self.quiet(), "sources": [http_source]}) as d:
            self.setting(d, torture.Box("kills over http", KILLS))
            clients = [Client(d, f, torture.rng(f.name)) for f in feeds]
            for c in clients:
                c.start()
            self.http_loop(clients)
            for f in feeds:
                self.last_event(d, f)
            self.check_answers(clients)
            self.sends = (sum(c.sends for c in clients), sum(c.requests for c in clients))
            self.whole(feeds)

    def last_event(self, d, feed):
        status, answer, _ = d.http(
            "POST", "/api/v1/events", json.dumps(feed.event(*feed.take_last()[0])),
            {"Content-Type": TYPES["event"]})
        self.assertEqual((202, 1), (status, answer["accepted"]))

    def done(self, runs, more=""):
        super().done(runs, f"{self.sends[0]} sends of {self.sends[1]} requests, ")


if __name__ == "__main__":
    unittest.main()
