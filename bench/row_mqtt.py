"""MQTT QoS 1 in: the daemon beside mosquitto_sub, at the same broker.

Live: a publisher keeps the broker fed while the subscriber takes, and what counts is the
time from the first message published to the last one taken.  Backlog: a session has
collected messages while its client was away; the time from the client's start to the last
of them.  Live the broker is the limit; a backlog shows what the subscriber can do.

Both sides use a receive maximum of 500.  The daemon acknowledges each message after the
fsynced commit that decided it, and keeps its bytes (`journal: full`, the default);
mosquitto_sub writes two bytes a message.
"""
import subprocess
import time

import lib
from lib import Mosquitto, Ratios, Result, Row, Service, cpu_ns, median, wait_until

MESSAGES = 40_000
LEAST = 0.8

RULES = lib.rules_text([{
    "name": "level", "on": {"type": "ml.metric", "key": "data.model"},
    "signals": {"v": {"value": "data.value", "tumbling": "1h"}}, "when": "v.avg > 2.0",
    "mode": "observe", "run": "noop"}])


def fill(broker, topic):
    got = lib.call("mqtt_fill", broker.port, topic, MESSAGES)
    assert got["published"] == MESSAGES, got


def rate_since(began):
    return MESSAGES / (time.monotonic() - began)


class Sub:
    """mosquitto_sub; -C ends it after the last message."""

    def __init__(self, broker):
        self.broker, self.n = broker, 0

    def start(self, topic, client):
        return subprocess.Popen(
            [*self.broker.client("mosquitto_sub"), "-q", "1", "-t", topic, "-i", client,
             "-c", "-V", "mqttv5", "-D", "connect", "receive-maximum", "500", "-C",
             str(MESSAGES), "-W", "120", "-F", "x"], stdout=subprocess.DEVNULL)

    def round(self, backlog):
        self.n += 1
        topic, client = f"sub/{self.n}", f"sub-{self.n}"
        self.broker.subscribe(topic, client)        # from now on nothing is lost
        if backlog:
            fill(self.broker, topic)
        began = time.monotonic()
        sub = self.start(topic, client)
        if not backlog:
            fill(self.broker, topic)
        assert sub.wait(timeout=130) == 0
        return rate_since(began)


class Taker:
    """The daemon with an MQTT source: it goes on, or is stopped while a session fills."""

    def __init__(self, service, broker):
        self.service, self.broker, self.cpu = service, broker, []

    def taken(self, wanted):
        wait_until(lambda: self.service.accepted("mqtt") >= wanted, 120,
                   "all messages are taken", watch=self.service, every=0.01)

    def live(self):
        s = self.service
        before, cpu, began = s.accepted("mqtt"), cpu_ns(s.pid), time.monotonic()
        fill(self.broker, "taken")
        self.taken(before + MESSAGES)
        self.cpu.append((cpu_ns(s.pid) - cpu) / MESSAGES)
        return rate_since(began)

    def backlog(self):
        self.service.term()
        fill(self.broker, "taken")
        began = time.monotonic()
        self.service.spawn()
        self.taken(MESSAGES)
        return rate_since(began)


def mqtt(ctx):
    extra = "max_queued_bytes 0\nmax_inflight_messages 500"
    with Mosquitto(persistence=False, extra=extra) as broker:
        source = {"name": "mqtt", "kind": "mqtt", "url": broker.url, "topics": ["taken"],
                  "client_id": "taker"}
        with Service(rules={"a.yaml": RULES}, sources=[source]) as s:
            s.wait_connected("mqtt")
            taker, sub = Taker(s, broker), Sub(broker)
            live = lib.interleave(ctx, "mqtt", taker.live, lambda: sub.round(False))
            rest = lib.interleave(ctx, "mqtt backlog", taker.backlog,
                                  lambda: sub.round(True))
    ratios, backlog = (Ratios([a / b for a, b in zip(*pair)]) for pair in (live, rest))
    return Result(f"{median(live[0]):,.0f}/s", f"mosquitto_sub {median(live[1]):,.0f}/s",
                  str(ratios), ratios.median >= LEAST,
                  f"{ratios.median:.2f} of {LEAST}",
                  [f"{median(taker.cpu) / 1e3:.1f} us CPU per message; {MESSAGES} each",
                   f"backlog of {MESSAGES}: {median(rest[0]):,.0f}/s from the start of "
                   f"the daemon, mosquitto_sub {median(rest[1]):,.0f}/s, {backlog}"],
                  {"live": live, "backlog": rest, "cpu_ns": taker.cpu})


ROWS = [Row("mqtt", "MQTT QoS 1 in, beside mosquitto_sub", f">= {LEAST} x", mqtt)]
