"""kill -9 over MQTT: each event decided once, each due run there once.

One topic, so that the order of messages is known.  The broker is stopped now and then,
and killed once what was sent is in its database or decided: what it loses before it
hands over is not ours to keep.
"""
import unittest

from harness import Daemon, Mosquitto, torture, wait_until
from harness.kill_loop import KillLoop
from harness.kill_oracle import Feed, lines, rule_files

KILLS = torture.count(80, 2000)
PLAIN_KILLS = torture.count(40, 1000)
OUTAGE_EVERY = torture.count(20, 40)


class MqttKills(KillLoop):
    def source(self, m, **more):
        return {"name": "sensors", "kind": "mqtt", "url": m.url, "topics": ["load"],
                **more}

    def test_every_event_once_over_mqtt(self):
        feed = Feed("mqtt", torture.SEED)
        with Mosquitto() as m, Daemon(rules=rule_files([feed]), config=self.quiet(),
                                      sources=[self.source(m)]) as d:
            self.setting(d, torture.Box("kills over mqtt", KILLS))
            d.wait_connected("sensors")

            def kill_broker(event):
                last = lines([feed.event(*event)])[0]
                wait_until(lambda: m.saved(last) or self.decided.look() >= event[0], 60,
                           "the broker has saved what it was sent", watch=m)
                m.kill()

            self.broker_loop(feed, m, lambda part: m.publish_lines(
                "load", lines(feed.event(*e) for e in part)), OUTAGE_EVERY, kill_broker)
            self.whole([feed])

    def test_every_message_once_without_ids(self):
        """Only the packet id and the payload tell a message sent again from a new one.

        A broker that comes back with an older session makes new inputs of what it
        sends again, so here it is only stopped."""
        feed = Feed("plain", torture.SEED)
        with Mosquitto() as m, Daemon(
                rules=rule_files([feed]), config=self.quiet(), sources=[
                    self.source(m, map={"type": "body.load", "data": "body",
                                        "time": "timestamp(body.at)"})]) as d:
            self.setting(d, torture.Box("kills over mqtt without ids", PLAIN_KILLS))
            d.wait_connected("sensors")
            self.broker_loop(feed, m, lambda part: m.publish_lines(
                "load", lines(feed.plain(*e) for e in part)), OUTAGE_EVERY)
            self.whole([feed])


if __name__ == "__main__":
    unittest.main()
