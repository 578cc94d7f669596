"""Real parts for scenario tests: brokers, Alertmanager and the daemon itself.

Every part is a context manager with start(), stop(), kill() and restart() on the
same port and the same data.  Nothing waits for a time: wait_until() asks until the
answer is yes, and gives up early when the part that should answer has died.
"""
from .wait import Timeout, free_port, wait_until
from .process import Part, alive, processes_under
from .mosquitto import Mosquitto
from .kafka import Kafka, KafkaMock, broker, have_kafka
from .alertmanager import Alertmanager
from .daemon import Daemon, build_dir
from .clock import ClockDaemon
from .fault import SmallDisk, Wire
from . import torture

__all__ = ["Timeout", "free_port", "wait_until", "Part", "alive", "processes_under",
           "Mosquitto", "Kafka", "KafkaMock", "broker", "have_kafka", "Alertmanager",
           "Daemon", "ClockDaemon", "build_dir", "SmallDisk", "Wire", "torture"]
