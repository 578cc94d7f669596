"""Faults that need the kernel's help, or a place between two parts."""
import errno
import os
import socket
import subprocess
import threading
import unittest

from .wait import free_port


class Wire:
    """A TCP relay to 127.0.0.1:`port`, listening on self.port.

    After mute() what clients say is swallowed, while they still hear the server: an
    acknowledgement gets lost.  New connections after unmute() are whole again."""

    def __init__(self, port):
        self.to, self.port, self.muted = port, free_port(), False
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.pairs = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for s in [self.listener, *(s for pair in self.pairs for s in pair)]:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                client.close()
                continue
            self.pairs.append((client, server))
            for a, b, up in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._copy, args=(a, b, up), daemon=True).start()

    def _copy(self, a, b, up):
        try:
            while data := a.recv(65536):
                if not (up and self.muted):
                    b.sendall(data)
            b.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def mute(self):
        self.muted = True

    def unmute(self):
        self.muted = False


class SmallDisk:
    """A tmpfs of `size` bytes at `path` (a new directory), to be filled or frozen.

    `with SmallDisk(d.state_dir, 4 << 20) as disk: ...` around the daemon's own
    `with`.  Where mounting is not permitted the test is skipped, with that reason."""

    def __init__(self, path, size):
        self.path, self.size = path, size
        self.filler = os.path.join(path, "filler")

    def __enter__(self):
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        done = self._mount("-t", "tmpfs", "-o", f"size={self.size},mode=0700", "none")
        if done.returncode != 0:
            raise unittest.SkipTest(f"cannot mount a tmpfs: {done.stderr.strip()}")
        return self

    def __exit__(self, *exc):
        subprocess.run(["umount", "-l", self.path], check=True)

    def _mount(self, *args):
        return subprocess.run(["mount", *args, self.path], text=True, capture_output=True,
                              check=False)

    def fill(self):
        """Take all the space that is left."""
        with open(self.filler, "ab", buffering=0) as f:
            try:
                while True:
                    f.write(b"\0" * 4096)
            except OSError as e:
                if e.errno != errno.ENOSPC:
                    raise

    def free(self):
        os.unlink(self.filler)

    def read_only(self, on=True):
        done = self._mount("-o", f"remount,{'ro' if on else 'rw'}")
        assert done.returncode == 0, done.stderr
