"""As PID 1 of a namespace, as in a container: signals reach the daemon, orphans are
reaped, a stop interrupts what runs and keeps its record."""
import os
import signal
import sqlite3
import subprocess
import unittest

from harness import Daemon

RULES = """
rules:
  - name: go
    on: {type: go}
    run: hang
pipelines:
  - name: hang
    steps: [{name: a, command: [sh, -c, "echo started; sleep 600 & wait"]}]
"""


class InContainer(Daemon):
    """The process started is unshare; the daemon is PID 1 below it."""

    def argv(self):
        return ["unshare", "--pid", "--fork", "--mount-proc", *super().argv()]

    def children(self, pid):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(x) for x in f.read().split()]

    def init(self):
        return self.children(self.proc.pid)[0]


def can_unshare():
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True,
        check=False).returncode == 0


@unittest.skipUnless(can_unshare(), "needs root and pid namespaces")
class Pid1(unittest.TestCase):
    def test_stop_interrupts_and_exits_0(self):
        d = InContainer(rules={"r.yaml": RULES})
        try:
            d.start()
            self.assertEqual(d.post_event("go", {}, "e1")[0], 202)
            run = d.wait_runs(1, state="running")[0]
            d.wait(lambda: "started" in d.ctl("logs", run["id"], expect=None).stdout,
                   "the step writes")
            key = d.ctl_json("describe", run["id"])["attempts"][0]["key"]
            os.kill(d.init(), signal.SIGTERM)
            self.assertEqual(d.wait_exit(), 0)
            # The record was read and committed before the end, so it is gone.
            db = sqlite3.connect(d.database)
            self.assertEqual(db.execute("SELECT akey, native_state, state FROM attempt"
                                        ).fetchall(), [(key, "interrupted", "failed")])
            db.close()
            d.check_log()
        finally:
            d.close()


if __name__ == "__main__":
    unittest.main()
