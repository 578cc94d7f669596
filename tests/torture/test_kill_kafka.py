"""kill -9 over Kafka: each event decided once, each due run there once.

One partition, so that the order of events is known.  The broker is stopped now and
then, and killed: what it acknowledged is in its log.
"""
import unittest

from harness import Daemon, broker, torture
from harness.kill_loop import KillLoop
from harness.kill_oracle import Feed, lines, rule_files

KILLS = torture.count(60, 1000)
OUTAGE_EVERY = torture.count(20, 40)


class KafkaKills(KillLoop):
    def test_every_event_once_over_kafka(self):
        feed = Feed("kafka", torture.SEED)
        with broker({"load": 1}) as k, Daemon(
                rules=rule_files([feed]), config=self.quiet(), sources=[
                    {"name": "events", "kind": "kafka", "brokers": [k.bootstrap],
                     "topics": ["load"], "start": "begin"}]) as d:
            print(f"# broker: {'Apache Kafka' if k.real else 'mock cluster'}", flush=True)
            self.setting(d, torture.Box("kills over kafka", KILLS))
            # The mock's log ends with its process.
            hard = (lambda _: k.kill()) if k.real else None
            self.broker_loop(feed, k, lambda part: k.produce(
                "load", lines(feed.event(*e) for e in part), partition=0),
                OUTAGE_EVERY, hard)
            self.whole([feed])


if __name__ == "__main__":
    unittest.main()
