"""Apache Kafka, one KRaft node, from its own jars; or librdkafka's mock brokers.

broker() gives the real one where Java and Maven are, else the mock, and says so;
with REQUIRE_KAFKA=1 their absence is a failure.
"""
import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import unittest

from .daemon import build_dir
from .process import Part
from .tls import certificate
from .wait import free_port

VERSION = "4.1.0"
SLF4J = "1.7.36"
TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
HOME = os.path.join(TREE, "build", "kafka")
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>retraind</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>{kafka}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId>
      <version>{slf4j}</version></dependency>
  </dependencies>
</project>
"""
PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={dir}/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
message.max.bytes=8388608
"""
# A second listener, with TLS and users, on top of the plain one.
SECURED = """listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},\
SASL_SSL://127.0.0.1:{secured}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{secured}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required {users};
listener.name.sasl_ssl.ssl.keystore.type=PEM
listener.name.sasl_ssl.ssl.keystore.location={dir}/keystore.pem
"""


def have_kafka():
    return bool(shutil.which("java") and shutil.which("mvn"))


def jars():
    """The directory with Kafka's jars; Maven fetches them once per tree."""
    lib = os.path.join(HOME, VERSION)
    os.makedirs(HOME, exist_ok=True)
    with open(os.path.join(HOME, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(lib):
            with open(os.path.join(HOME, "pom.xml"), "w", encoding="ascii") as f:
                f.write(POM.format(kafka=VERSION, slf4j=SLF4J))
            out = lib + ".new"
            shutil.rmtree(out, ignore_errors=True)
            done = subprocess.run(["mvn", "-q", "-B", "dependency:copy-dependencies",
                                   f"-DoutputDirectory={out}"], cwd=HOME, text=True,
                                  capture_output=True, timeout=600, check=False)
            if done.returncode != 0:
                raise RuntimeError(f"maven cannot fetch Kafka:\n{done.stdout[-2000:]}")
            os.rename(out, lib)
    return lib


class _Kcat(Part):
    """What both brokers can: metadata, producing and reading, through kcat."""
    bootstrap = None

    def kcat(self, *args, data=None, seconds=60):
        return subprocess.run(["kcat", "-b", self.bootstrap, *args], input=data, check=True,
                              capture_output=True, timeout=seconds).stdout

    def metadata(self, seconds=3):
        return json.loads(self.kcat("-L", "-J", "-m", str(seconds), seconds=seconds + 5))

    def ready(self):
        try:
            return bool(self.metadata()["brokers"])
        except (subprocess.SubprocessError, TypeError):
            return False

    def produce(self, topic, messages, headers=None, partition=None):
        """`messages` are (key, value) or value; returns when all are acknowledged."""
        argv = ["-P", "-t", topic, "-X", "acks=all", "-K", "\\x1f", "-D", "\\x1e"]
        if partition is not None:
            argv += ["-p", str(partition)]
        for name, value in (headers or {}).items():
            argv += ["-H", f"{name}={value}"]
        rows = [m if isinstance(m, tuple) else ("", m) for m in messages]
        rows = [tuple(x.encode() if isinstance(x, str) else x for x in r) for r in rows]
        assert not any(b in x for r in rows for x in r for b in (b"\x1e", b"\x1f")), \
            "a message contains the separator"
        self.kcat(*argv, data=b"\x1e".join(b"\x1f".join(r) for r in rows), seconds=300)

    def produce_bytes(self, topic, value, headers=None):
        """One message of any bytes and size, without a key."""
        with tempfile.NamedTemporaryFile(dir=self.dir) as f:
            f.write(value)
            f.flush()
            argv = ["-P", "-t", topic, "-X", "acks=all", "-X", "message.max.bytes=8388608"]
            for name, text in (headers or {}).items():
                argv += ["-H", f"{name}={text}"]
            self.kcat(*argv, f.name)

    def consume(self, topic):
        """All of a topic now: dicts with partition, offset, key, payload, headers."""
        out = self.kcat("-C", "-t", topic, "-o", "beginning", "-e", "-q", "-J")
        return [json.loads(line) for line in out.decode().splitlines()]


class Kafka(_Kcat):
    name = "kafka"
    start_seconds = 90
    real = True

    def __init__(self, topics=None, users=None):
        """topics: {name: partitions}, created at the first start; users: {name:
        password} of a second listener, self.secured, whose authority is self.ca."""
        super().__init__()
        self.lib = jars()
        self.port, self.topics = free_port(), dict(topics or {})
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.properties = os.path.join(self.dir, "server.properties")
        with open(self.properties, "w", encoding="ascii") as f:
            controller = free_port()
            f.write(PROPERTIES.format(port=self.port, controller=controller, dir=self.dir))
            if users:
                self.secured = f"127.0.0.1:{free_port()}"
                self.ca = certificate(self.dir)
                with open(os.path.join(self.dir, "keystore.pem"), "wb") as out:
                    for name in ("server.key", "server.crt"):
                        with open(os.path.join(self.dir, name), "rb") as part:
                            out.write(part.read())
                f.write(SECURED.format(
                    port=self.port, controller=controller, dir=self.dir,
                    secured=self.secured.rpartition(":")[2],
                    users=" ".join(f'user_{u}="{p}"' for u, p in users.items())))
        self._created = False
        self._format()

    def _java(self, *args):
        return ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{self.lib}/*", *args]

    def _format(self):
        done = subprocess.run(
            self._java("kafka.tools.StorageTool", "format", "-t", "cmV0cmFpbmQtdGVzdHMtMQ",
                       "-c", self.properties), text=True, capture_output=True,
            timeout=120, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"kafka cannot format its storage:\n{done.stdout}{done.stderr}")

    def argv(self):
        return self._java("kafka.Kafka", self.properties)

    def start(self):
        super().start()
        if not self._created:
            self._created = True
            for name, partitions in self.topics.items():
                self.create_topic(name, partitions)
        return self

    def create_topic(self, name, partitions=1, config=None):
        """CreateTopics, version 2 of the protocol: kcat has no such command."""
        def text(s):
            return struct.pack(">h", len(s)) + s.encode()
        rows = b"".join(text(k) + text(str(v)) for k, v in (config or {}).items())
        body = (struct.pack(">i", 1) + text(name) + struct.pack(">ihi", partitions, 1, 0)
                + struct.pack(">i", len(config or {})) + rows + struct.pack(">ib", 20000, 0))
        request = struct.pack(">hhi", 19, 2, 1) + text("harness") + body
        with socket.create_connection(("127.0.0.1", self.port), 30) as s:
            s.sendall(struct.pack(">i", len(request)) + request)
            stream = s.makefile("rb")
            answer = stream.read(struct.unpack(">i", stream.read(4))[0])
        # correlation, throttle, count, name, then the error code.
        at = 12 + 2 + struct.unpack_from(">h", answer, 12)[0]
        code = struct.unpack_from(">h", answer, at)[0]
        assert code == 0, f"kafka refused to create topic {name}: error {code}"


class KafkaMock(_Kcat):
    name = "kafka-mock"
    real = False

    def __init__(self, topics=None, brokers=1):
        super().__init__()
        self.topics, self.brokers = dict(topics or {}), brokers

    def argv(self):
        argv = [os.path.join(build_dir(), "tests", "kafka_mock"),
                "--brokers", str(self.brokers)]
        for name, partitions in self.topics.items():
            argv += ["--topic", f"{name}:{partitions}"]
        return argv

    def ready(self):
        for line in self.log().splitlines():
            if line.startswith("bootstrap="):
                self.bootstrap = line.partition("=")[2]
        return self.bootstrap is not None and super().ready()

    # Its data ends with its process: frozen is as near to down as it comes.

    def down(self):
        if self.proc is None:
            self.start()
        self.freeze()

    def up(self):
        if self.proc is None:
            self.start()
        self.thaw()
        return self

    def restart(self):
        self.down()
        return self.up()


def broker(topics=None, users=None):
    """The real Kafka, or the mock where it cannot be had; not started yet.

    The mock has no users: then the test is skipped."""
    why = "java or mvn is missing"
    if have_kafka():
        try:
            return Kafka(topics, users)
        except (RuntimeError, OSError, subprocess.SubprocessError) as e:
            why = str(e).splitlines()[0]
    if os.environ.get("REQUIRE_KAFKA") == "1":
        raise AssertionError(f"REQUIRE_KAFKA=1, but {why}")
    if users:
        raise unittest.SkipTest(f"needs Apache Kafka: {why}")
    # tests/run repeats this line before its last one.
    print(f"# note: librdkafka's mock cluster stands in for Kafka: {why}", flush=True)
    return KafkaMock(topics)
