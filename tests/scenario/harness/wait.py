"""Deadlines and ports."""
import os
import random
import select
import socket
import time

_reserved = []


class Timeout(AssertionError):
    """Something that had to become true did not."""


def wait_until(cond, seconds=30, what="the condition", watch=None, every=0.02):
    """Call cond() until it returns something true, and return that.

    `watch` is a harness Part: when its process ends, the wait ends too, with its
    log.  An exception from cond() is an answer (no) until the deadline."""
    end = time.monotonic() + seconds
    while True:
        error = None
        try:
            answer = cond()
            if answer:
                return answer
        except (OSError, ValueError, LookupError, AssertionError) as e:
            error = e
        left = end - time.monotonic()
        if left <= 0:
            raise Timeout(f"{what}: not within {seconds} s"
                          + (f" (last: {error!r})" if error else "")
                          + (f"\n{watch.log_tail()}" if watch else ""))
        if watch is not None:
            watch.pause(min(every, left))
        else:
            select.select([], [], [], min(every, left))


def free_port():
    """A loopback port that stays ours while this process lives.

    It lies below the kernel's ephemeral range, so that no outgoing connection takes
    it while a broker is down; the name in the abstract socket space keeps parallel
    tests apart."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        mark = socket.socket(socket.AF_UNIX)
        probe = socket.socket()
        try:
            mark.bind(f"\0retraind-test-port-{port}")
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
            continue
        finally:
            probe.close()
        os.set_inheritable(mark.fileno(), False)
        _reserved.append(mark)
        return port
