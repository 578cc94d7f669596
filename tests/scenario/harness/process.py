"""A part: one child process with a log file, ended with its test."""
import os
import select
import shutil
import signal
import subprocess
import tempfile

from .wait import wait_until


class Part:
    """Subclasses give argv() and ready(); data in self.dir survives a restart."""
    name = "part"
    start_seconds = 30
    start_every = 0.02      # how often start() asks
    # setpriv execs, so the pid is the part's own; it dies with its test.
    tie = ("setpriv", "--pdeathsig", "KILL")

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix=f"retraind-{self.name}-")
        self.log_path = os.path.join(self.dir, "log")
        self.proc = None
        self._pidfd = None

    def argv(self):
        raise NotImplementedError

    def env(self):
        keep = {k: os.environ[k] for k in ("PATH", "HOME", "JAVA_HOME") if k in os.environ}
        return {"TZ": "UTC", "LANG": "C.UTF-8", **keep}

    def ready(self):
        raise NotImplementedError

    def spawn(self):
        """Start the process without waiting for it to answer."""
        assert self.proc is None, f"{self.name} is already running"
        with open(self.log_path, "ab") as log:
            self.proc = subprocess.Popen(
                [*self.tie, *self.argv()], env=self.env(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._pidfd = os.pidfd_open(self.proc.pid)
        return self

    def start(self):
        self.spawn()
        wait_until(self.ready, self.start_seconds, f"{self.name} answers", watch=self,
                   every=self.start_every)
        return self

    def pause(self, seconds):
        """Wait for at most `seconds`; fail at once when the process has ended."""
        if self.proc is None:
            select.select([], [], [], seconds)
        elif select.select([self._pidfd], [], [], seconds)[0]:
            raise RuntimeError(f"{self.name} ended with {self.proc.wait()}\n"
                               + self.log_tail())

    def wait_exit(self, seconds=60):
        """The exit status; negative for a signal."""
        if not select.select([self._pidfd], [], [], seconds)[0]:
            raise RuntimeError(f"{self.name} did not end in {seconds} s\n{self.log_tail()}")
        status = self.proc.wait()
        os.close(self._pidfd)
        self.proc = self._pidfd = None
        return status

    def signal(self, number):
        self.proc.send_signal(number)

    def stop(self):
        """SIGTERM, and the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait_exit()

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.wait_exit()

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def down(self):
        """Make it not answer; nothing happens when it does not run."""
        if self.proc is not None:
            self.stop()

    def up(self):
        """Make it answer (again), with its data."""
        return self.start() if self.proc is None else self

    def restart(self):
        self.stop()
        return self.start()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def log_tail(self, lines=30):
        return "\n".join(f"  {self.name}| {x}" for x in self.log().splitlines()[-lines:])

    def close(self):
        """End what runs and remove the data; safe to call twice."""
        if self.proc is not None:
            self.thaw()
            self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        if self.proc is None:
            try:
                self.start()
            except BaseException:
                self.close()
                raise
        return self

    def __exit__(self, *exc):
        self.close()


def alive(pid):
    """Whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def processes_under(directory):
    """Pids whose arguments, environment or working directory name `directory`."""
    mark = os.fsencode(directory)
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            texts = [os.fsencode(os.readlink(f"/proc/{pid}/cwd"))]
            for name in ("cmdline", "environ"):
                with open(f"/proc/{pid}/{name}", "rb") as f:
                    texts.append(f.read())
        except OSError:
            continue
        if int(pid) != os.getpid() and any(mark in t for t in texts) and alive(pid):
            found.append(int(pid))
    return found
