"""Mosquitto from Debian on a free loopback port."""
import os
import shutil
import socket
import subprocess

from .process import Part
from .tls import certificate
from .wait import free_port

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/sbin")


class Mosquitto(Part):
    name = "mosquitto"

    def __init__(self, persistence=True, users=None, tls=False, extra=""):
        """users: {name: password}, and nobody else; tls: a certificate of its own,
        whose authority is self.ca; extra: lines for mosquitto.conf."""
        super().__init__()
        self.port = free_port()
        self.users, self.tls = users or {}, tls
        self.ca = certificate(self.dir) if tls else None
        self.conf = os.path.join(self.dir, "mosquitto.conf")
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(self._conf(persistence, extra))

    def _conf(self, persistence, extra):
        lines = [f"listener {self.port} 127.0.0.1", "max_queued_messages 0",
                 "max_inflight_messages 100", "log_dest stderr",
                 "connection_messages true"]
        if os.geteuid() == 0:
            lines.append("user root")
        if persistence:
            # Saved in the loop turn after a change; see saved() before a kill().
            lines += ["persistence true", f"persistence_location {self.dir}/",
                      "autosave_on_changes true", "autosave_interval 1"]
        if self.users:
            lines += ["allow_anonymous false", f"password_file {self._passwords()}"]
        else:
            lines.append("allow_anonymous true")
        if self.tls:
            lines += [f"certfile {self.dir}/server.crt", f"keyfile {self.dir}/server.key"]
        return "\n".join([*lines, extra, ""])

    def _passwords(self):
        path = os.path.join(self.dir, "passwords")
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(f"{u}:{p}\n" for u, p in self.users.items())
        os.chmod(path, 0o600)
        subprocess.run(["mosquitto_passwd", "-U", path], check=True, capture_output=True)
        return path

    def argv(self):
        return [MOSQUITTO or "mosquitto", "-c", self.conf]

    def ready(self):
        with socket.create_connection(("127.0.0.1", self.port), 2):
            return True

    @property
    def url(self):
        return f"{'mqtts' if self.tls else 'mqtt'}://127.0.0.1:{self.port}"

    def client(self, program="mosquitto_pub"):
        """The start of a client's argv: address, user and authority."""
        argv = [program, "-h", "127.0.0.1", "-p", str(self.port)]
        if self.users:
            user, password = next(iter(self.users.items()))
            argv += ["-u", user, "-P", password]
        return argv + (["--cafile", self.ca] if self.tls else [])

    def publish(self, topic, payload, qos=1, retain=False, properties=None,
                content_type=None):
        """One message; returns after the broker's acknowledgement (qos 1)."""
        argv = [*self.client(), "-q", str(qos), "-t", topic, "-s"]
        if retain:
            argv.append("-r")
        if properties or content_type:
            argv += ["-V", "mqttv5"]
        if content_type:
            argv += ["-D", "publish", "content-type", content_type]
        for name, value in (properties or {}).items():
            argv += ["-D", "publish", "user-property", name, value]
        data = payload.encode() if isinstance(payload, str) else payload
        subprocess.run(argv, input=data, check=True, capture_output=True, timeout=60)

    def publish_lines(self, topic, payloads, qos=1):
        """Many messages on one connection; a payload is one line of text."""
        text = "".join(p + "\n" for p in payloads)
        assert text.count("\n") == len(payloads), "a payload contains a line feed"
        subprocess.run([*self.client(), "-q", str(qos), "-t", topic, "-l"],
                       input=text.encode(), check=True, capture_output=True, timeout=300)

    def saved(self, payload):
        """Whether these bytes are in the database that a kill() leaves behind."""
        try:
            with open(os.path.join(self.dir, "mosquitto.db"), "rb") as f:
                return payload.encode() in f.read()
        except FileNotFoundError:
            return False

    def receive(self, topic, count, client_id=None, seconds=20):
        """`count` payloads; with a client_id from (and kept for) its session."""
        argv = [*self.client("mosquitto_sub"), "-q", "1", "-t", topic, "-C", str(count),
                "-W", str(seconds), "-N", "-F", "%p\n"]
        if client_id:
            argv += ["-i", client_id, "-c"]
        out = subprocess.run(argv, check=True, capture_output=True, timeout=seconds + 10)
        return out.stdout.decode().splitlines()

    def subscribe(self, topic, client_id):
        """Leave a persistent session behind that collects `topic`."""
        subprocess.run([*self.client("mosquitto_sub"), "-q", "1", "-t", topic, "-i",
                        client_id, "-c", "-E"], check=True, capture_output=True, timeout=30)
