"""retrain-shim by itself: what a step gets, what is kept of it, what is killed."""
import fcntl
import hashlib
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import unittest

from harness.fault import SmallDisk
from harness.wait import wait_until

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHIM = os.path.join(os.environ.get("RETRAIN_BUILD", os.path.join(TREE, "build")),
                    "retrain-shim")
CGROUPS = "/sys/fs/cgroup/unified" if os.path.exists("/sys/fs/cgroup/unified/cgroup.procs") \
    else "/sys/fs/cgroup"


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class ShimTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="retraind-shim-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        for name in ("tmp", "artifacts"):
            os.mkdir(self.path(name))
        self.write("input.json", {"params": {}})
        self.spec = {"version": 1, "key": "rt-k", "run": "fraud-1", "pipeline": "fraud",
                     "step": "train", "attempt": 2, "dir": self.dir, "env": {},
                     "path": "/usr/bin:/bin", "user": "somebody", "home": "/nowhere",
                     "shell": "/bin/false", "umask": 0o027, "grace_ms": 300,
                     "log_bytes": 1 << 20}
        self.proc = None
        self.addCleanup(self.stop)

    def stop(self):
        if self.proc is not None and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, value):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(value if isinstance(value, str) else json.dumps(value))

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            return f.read()

    def start(self, *argv, env=None):
        self.spec["argv"] = list(argv)
        self.write("spec.json", self.spec)
        self.proc = subprocess.Popen([SHIM, self.dir], env=env or {})

    def sh(self, script, **more):
        self.start("sh", "-c", script, **more)
        return self.record()

    def record(self):
        self.assertEqual(self.proc.wait(60), 0)
        return json.loads(self.read("exit.json"))

    def started(self, name):
        """The pid that the step wrote into the file `name`."""
        wait_until(lambda: os.path.exists(self.path(name)) and self.read(name).endswith("\n"),
                   what=name)
        return int(self.read(name))

    # What it gets.

    def test_environment_is_these_variables_and_no_others(self):
        self.spec["env"] = {"LR": "0.1", "TZ": "Asia/Tokyo"}
        self.write("input.json", {"params": {"lr": 0.1, "epochs": 3, "data-set": "a b",
                                             "dry": True, "list": [1], "none": None}})
        self.start("env", "-0", env={"LANG": "C", "TZ": "UTC"})
        self.assertEqual(self.record()["state"], "completed")
        pairs = dict(x.split("=", 1) for x in self.read("log").rstrip("\0").split("\0"))
        self.assertEqual(pairs, {
            "PATH": "/usr/bin:/bin", "HOME": "/nowhere", "USER": "somebody",
            "LOGNAME": "somebody", "SHELL": "/bin/false", "TMPDIR": self.path("tmp"),
            "LANG": "C", "TZ": "Asia/Tokyo", "LR": "0.1",
            "RETRAIN_DIR": self.dir, "RETRAIN_RUN": "fraud-1",
            "RETRAIN_PIPELINE": "fraud", "RETRAIN_STEP": "train",
            "RETRAIN_ATTEMPT": "2", "RETRAIN_KEY": "rt-k",
            "RETRAIN_INPUT": self.path("input.json"),
            "RETRAIN_OUTPUTS": self.path("outputs.json"),
            "RETRAIN_METRICS": self.path("metrics.json"),
            "RETRAIN_ARTIFACTS": self.path("artifacts"),
            "RETRAIN_PARAM_LR": "0.1", "RETRAIN_PARAM_EPOCHS": "3",
            "RETRAIN_PARAM_DATA_SET": "a b", "RETRAIN_PARAM_DRY": "true"})

    def test_process_attributes(self):
        self.sh("umask; ulimit -c; ulimit -n; cat /proc/self/oom_score_adj; pwd;"
                "grep -E '^Sig(Blk|Ign)' /proc/self/status; readlink /proc/self/fd/0;"
                "ls /proc/self/fd | tr '\\n' ' '; ps -o sid= -p $$ | tr -d ' '; echo $$")
        log = self.read("log").splitlines()
        files = subprocess.run(["sh", "-c", "ulimit -n"], capture_output=True, text=True,
                               check=True).stdout.strip()
        self.assertEqual(log[:5], ["0027", "0", files, "500", self.dir])
        self.assertEqual([x.split()[1].strip("0") for x in log[5:7]], ["", ""])
        self.assertEqual(log[7], "/dev/null")
        # 3 is the directory that ls reads.
        fds, session = log[8].rsplit(" ", 1)
        self.assertEqual(fds, "0 1 2 3")
        self.assertEqual(session, log[9], "a session of its own")

    def test_program_is_searched_in_the_steps_path(self):
        os.mkdir(self.path("bin"))
        self.write("bin/tool", "#!/bin/sh\necho found $1\n")
        os.chmod(self.path("bin/tool"), 0o755)
        self.spec["env"] = {"PATH": self.path("bin") + ":/bin"}
        self.start("tool", "it")
        self.assertEqual(self.record()["exit_code"], 0)
        self.assertEqual(self.read("log"), "found it\n")

    def test_exec_failures_are_named(self):
        self.write("plain", "echo no first line")
        self.write("bad", "#!/no/such/interpreter\n")
        self.write("locked", "#!/bin/sh\n")
        for name in ("plain", "bad"):
            os.chmod(self.path(name), 0o755)
        for argv, reason in (
                ("python4", "exec python4: No such file or directory "
                            "(searched PATH /usr/bin:/bin)"),
                ("./none", "exec ./none: No such file or directory"),
                ("./plain", "exec ./plain: Exec format error (a script needs a first line "
                            "with #!)"),
                ("./bad", "exec ./bad: its interpreter does not exist"),
                ("./locked", "exec ./locked: Permission denied")):
            with self.subTest(argv):
                self.start(argv)
                record = self.record()
                self.assertEqual((record["state"], record["reason"]), ("failed", reason))
                self.assertNotIn("exit_code", record)
            for name in ("claim", "exit.json"):
                os.unlink(self.path(name))

    def test_missing_directory_is_named(self):
        self.spec["dir"] = self.path("gone")
        self.start("true")
        self.assertEqual(self.record()["reason"], f"can't enter '{self.path('gone')}': "
                         "No such file or directory")

    @unittest.skipIf(os.geteuid() != 0, "changing the user needs root")
    def test_another_user(self):
        nobody = pwd.getpwnam("nobody")
        os.chmod(self.dir, 0o1770)
        os.chown(self.dir, -1, nobody.pw_gid)
        self.spec.update(uid=nobody.pw_uid, gid=nobody.pw_gid, groups=[nobody.pw_gid])
        record = self.sh("id -u; id -g; id -G; grep CapEff /proc/self/status;"
                         "echo '{\"a\":1}' > $RETRAIN_OUTPUTS; sh -c 'rm -f claim; true'")
        self.assertEqual(record["state"], "completed")
        self.assertEqual(record["outputs"], '{"a":1}\n')
        log = self.read("log").replace("\t", " ").splitlines()
        ids = [str(nobody.pw_uid), str(nobody.pw_gid), str(nobody.pw_gid)]
        self.assertEqual(log[:4], ids + ["CapEff: 0000000000000000"])
        self.assertTrue(os.path.exists(self.path("claim")), "not for the step to remove")

    # How it ends.

    def test_signal_and_exit_code(self):
        self.assertEqual(self.sh("exit 200")["exit_code"], 200)
        self.assertEqual(self.read("log"), "")
        for name in ("claim", "exit.json"):
            os.unlink(self.path(name))
        record = self.sh("kill -SEGV $$")
        self.assertEqual(record["reason"], "killed by signal 11 (Segmentation fault)")
        self.assertNotIn("exit_code", record)

    def test_second_shim_runs_nothing(self):
        self.start("sh", "-c", "echo x >> count; while [ ! -e go ]; do sleep 0.01; done")
        wait_until(lambda: os.path.exists(self.path("count")), what="it runs")
        said, ours = os.pipe()
        done = subprocess.run([SHIM, self.dir, str(ours)], pass_fds=[ours], timeout=30,
                              check=False)
        os.close(ours)
        self.assertEqual((done.returncode, os.read(said, 100)), (0, b"exists \n"))
        os.close(said)
        self.write("go", "")
        self.assertEqual(self.record()["state"], "completed")
        self.assertEqual(self.read("count"), "x\n")

    def test_claim_is_locked_while_the_shim_lives(self):
        self.start("sh", "-c", "while [ ! -e go ]; do sleep 0.01; done")
        wait_until(lambda: os.path.exists(self.path("claim")), what="claimed")
        with open(self.path("claim"), "r+", encoding="ascii") as f:
            self.assertEqual(json.load(f)["pid"], self.proc.pid)
            with self.assertRaises(BlockingIOError):
                fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.write("go", "")
            self.record()
            fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_main_is_killed_with_its_shim(self):
        self.start("sh", "-c", "echo $$ > main; exec sleep 1000")
        pid = self.started("main")
        self.proc.kill()
        self.proc.wait()
        wait_until(lambda: not lives(pid), what="main is killed")
        self.assertFalse(os.path.exists(self.path("exit.json")))

    def test_damaged_spec_ends_as_failed(self):
        for spec, reason in (("{", "spec.json: "), ('{"version": 9}',
                             "spec.json: version 9, expected 1")):
            self.write("spec.json", spec)
            self.proc = subprocess.Popen([SHIM, self.dir], env={})
            record = self.record()
            self.assertEqual(record["state"], "failed")
            self.assertTrue(record["reason"].startswith(reason), record)
            for name in ("claim", "exit.json"):
                os.unlink(self.path(name))

    def test_step_that_removes_its_directory_ends(self):
        self.start("sh", "-c", "cd /; rm -rf $RETRAIN_DIR")
        self.assertEqual(self.proc.wait(60), 0)
        self.assertFalse(os.path.exists(self.dir))

    def test_step_that_empties_its_directory_keeps_its_exit(self):
        self.assertEqual(self.sh("cd /; rm -rf $RETRAIN_DIR/*; exit 9")["exit_code"], 9)

    # Killing.

    ESCAPE = ("(setsid sh -c 'echo $$ > escaped; trap : TERM;"
              " while :; do sleep 0.01; done' &) ; while [ ! -e escaped ]; do sleep 0.01; done; ")

    def test_leftovers_are_ended_with_main(self):
        self.start("sh", "-c", "(setsid sh -c 'echo $$ > left; exec sleep 1000' &);"
                   "while [ ! -e left ]; do sleep 0.01; done; echo done; exit 4")
        record = self.record()
        self.assertEqual((record["state"], record["exit_code"]), ("failed", 4))
        self.assertFalse(lives(self.started("left")))
        self.assertEqual(self.read("log"), "done\n")

    def test_background_child_that_holds_the_log_is_not_awaited(self):
        self.start("sh", "-c", "sleep 1000 & echo $! > left; echo out; echo err >&2")
        self.assertEqual(self.record()["state"], "completed")
        self.assertFalse(lives(self.started("left")))
        self.assertEqual(self.read("log"), "out\nerr\n")

    def test_abort_kills_escapees_that_ignore_term(self):
        self.start("sh", "-c", "trap : TERM; echo $$ > main; " + self.ESCAPE +
                   "while :; do sleep 0.01; done")
        pids = [self.started("main"), self.started("escaped")]
        self.write("abort", "wrong data")
        self.proc.terminate()
        self.assertEqual(self.record()["state"], "aborted")
        self.assertFalse([p for p in pids if lives(p)])

    def test_abort_ends_what_keeps_forking(self):
        self.write("fork.sh", "trap : TERM\necho x >> count\n(sh fork.sh &)\n")
        self.start("sh", "-c", "trap : TERM; echo $$ > main; sh fork.sh;"
                   "while :; do sleep 0.01; done")
        wait_until(lambda: os.path.exists(self.path("count"))
                   and len(self.read("count")) > 50, what="it forks")
        self.write("abort", "")
        self.proc.terminate()
        self.assertEqual(self.record()["state"], "aborted")
        count = self.read("count")
        self.assertEqual(self.read("count"), count)

    def test_abort_leaves_time_to_clean_up(self):
        self.spec["grace_ms"] = 30000
        self.start("sh", "-c", "trap 'echo bye; exit 0' TERM; echo $$ > main;"
                   "while :; do sleep 0.01; done")
        self.started("main")
        self.write("abort", "")
        self.proc.terminate()
        record = self.record()
        self.assertEqual((record["state"], record["reason"]), ("aborted", "aborted"))
        self.assertIn("bye\n", self.read("log"))

    def test_term_without_an_abort_file_is_an_interruption(self):
        self.start("sh", "-c", "echo $$ > main; exec sleep 1000")
        self.started("main")
        self.proc.terminate()
        record = self.record()
        self.assertEqual(record["state"], "interrupted")
        self.assertTrue(record["reason"].startswith("interrupted: "), record)

    def test_abort_file_before_the_start(self):
        self.write("abort", "")
        record = self.sh("echo x > count")
        self.assertEqual((record["state"], record["reason"]),
                         ("aborted", "aborted before it started"))
        self.assertFalse(os.path.exists(self.path("count")))

    @unittest.skipUnless(os.access(os.path.join(CGROUPS, "cgroup.procs"), os.W_OK),
                         "no writable cgroup v2")
    def test_cgroup_holds_the_step_and_goes_with_it(self):
        group = os.path.join(CGROUPS, f"retraind-test-{os.getpid()}")
        self.spec["cgroup"] = group
        self.start("sh", "-c", self.ESCAPE + "cat /proc/self/cgroup")
        self.assertEqual(self.record()["state"], "completed")
        self.assertIn("/" + os.path.basename(group), self.read("log"))
        self.assertFalse(lives(self.started("escaped")))
        self.assertFalse(os.path.exists(group))

    # What is kept.

    def test_artifacts(self):
        record = self.sh("cd artifacts; mkdir sub; head -c 3000000 /dev/zero > sub/z; "
                         "printf abc > a; ln -s /etc/passwd link; mkfifo fifo; : > empty")
        zeros = hashlib.sha256(bytes(3000000)).hexdigest()
        self.assertEqual(json.loads(record["artifacts"]), [
            {"path": "a", "size": 3, "sha256": hashlib.sha256(b"abc").hexdigest()},
            {"path": "empty", "size": 0, "sha256": hashlib.sha256(b"").hexdigest()},
            {"path": "sub/z", "size": 3000000, "sha256": zeros}])

    def test_too_many_artifacts(self):
        record = self.sh("cd artifacts; i=0; while [ $i -lt 1001 ]; do : > f$i;"
                         " i=$((i+1)); done")
        self.assertEqual((record["state"], record["reason"]),
                         ("failed", "artifacts: more than 1000 files"))

    def test_bad_results_fail_the_step(self):
        for script, reason in (
                ("echo '[]' > metrics.json", "metrics.json: expected a JSON object"),
                ("echo '{\"a\": }' > outputs.json", "outputs.json: line 1: "),
                ("ln -s /etc/passwd outputs.json",
                 "outputs.json: expected a regular file, not a symbolic link"),
                ("mkfifo outputs.json", "outputs.json: expected a regular file"),
                ("mkdir outputs.json", "outputs.json: expected a regular file"),
                ("head -c 1048577 /dev/zero > outputs.json",
                 "outputs.json: 1048577 bytes, at most 1 MiB")):
            with self.subTest(script):
                record = self.sh(script)
                self.assertEqual((record["state"], record["exit_code"]), ("failed", 0))
                self.assertTrue(record["reason"].startswith(reason), record["reason"])
                self.assertNotIn("outputs", record)
            for name in ("claim", "exit.json", "outputs.json", "metrics.json"):
                if os.path.isdir(self.path(name)):
                    os.rmdir(self.path(name))
                elif os.path.lexists(self.path(name)):
                    os.unlink(self.path(name))

    def test_failure_keeps_its_own_reason_over_bad_results(self):
        record = self.sh("echo '[]' > outputs.json; exit 3")
        self.assertEqual(record["exit_code"], 3)
        self.assertNotIn("reason", record)

    def test_numbers_stay_as_written(self):
        record = self.sh("echo '{\"auc\": 0.1, \"n\": 1e2}' > metrics.json")
        self.assertEqual(record["metrics"], '{"auc": 0.1, "n": 1e2}\n')

    def test_log_keeps_beginning_and_end(self):
        self.check_cut_log("i=0; while [ $i -lt 50000 ]; do echo line $i; i=$((i+1)); done")

    def test_log_of_large_writes(self):
        self.write("big", "".join(f"line {i}\n" for i in range(50000)))
        self.check_cut_log("dd if=big bs=1000000 2>/dev/null")

    def check_cut_log(self, script):
        self.spec["log_bytes"] = 65536
        self.assertEqual(self.sh(script)["exit_code"], 0)
        log = self.read("log")
        self.assertLessEqual(len(log), 65536 + 100)
        head, mark, tail = log.partition("\n[retraind: ")
        self.assertEqual(mark, "\n[retraind: ")
        number, _, tail = tail.partition(" bytes cut here]\n")
        whole = "".join(f"line {i}\n" for i in range(50000))
        self.assertTrue(whole.startswith(head))
        self.assertTrue(whole.endswith(tail))
        self.assertEqual(len(head) + int(number) + len(tail), len(whole))
        self.assertEqual(stat.S_IMODE(os.stat(self.path("log")).st_mode), 0o600)

    def test_short_log_is_whole(self):
        self.spec["log_bytes"] = 65536
        self.sh("head -c 65536 /dev/zero | tr '\\0' x")
        self.assertEqual(self.read("log"), "x" * 65536)

    # A full disk.

    def on_small_disk(self):
        disk = SmallDisk(self.path("disk"), 1 << 20)
        disk.__enter__()
        self.addCleanup(disk.__exit__)
        self.dir = self.spec["dir"] = self.path("disk")
        for name in ("tmp", "artifacts"):
            os.mkdir(self.path(name))
        self.write("input.json", {"params": {}})
        return disk

    def test_result_is_kept_until_there_is_room(self):
        disk = self.on_small_disk()
        self.start("sh", "-c", "echo $$ > main; while [ ! -e go ]; do sleep 0.01; done; exit 7")
        main = self.started("main")
        disk.fill()
        os.mkdir(self.path("go"))
        wait_until(lambda: not lives(main), what="the step ended")
        self.assertFalse(os.path.exists(self.path("exit.json")))
        self.assertIsNone(self.proc.poll(), "still claimed")
        disk.free()
        self.assertEqual(self.record()["exit_code"], 7)

    def test_no_claim_without_room(self):
        disk = self.on_small_disk()
        self.spec["argv"] = ["true"]
        self.write("spec.json", self.spec)
        disk.fill()
        said, ours = os.pipe()
        subprocess.run([SHIM, self.dir, str(ours)], pass_fds=[ours], timeout=30, check=True)
        os.close(ours)
        self.assertEqual(os.read(said, 100), b"busy No space left on device\n")
        os.close(said)
        self.assertEqual([x for x in os.listdir(self.dir) if "claim" in x], [])

    # The program itself.

    def test_usage(self):
        for argv, status in ((["--version"], 0), ([], 2), (["relative"], 2),
                             (["/no/such/directory"], 1)):
            done = subprocess.run([SHIM, *argv], capture_output=True, check=False)
            self.assertEqual(done.returncode, status, argv)

    def test_signals_are_taken_even_when_its_parent_blocked_them(self):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        try:
            self.start("sh", "-c", "echo $$ > main; exec sleep 1000")
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        self.started("main")
        self.proc.terminate()
        self.assertEqual(self.record()["state"], "interrupted")


if __name__ == "__main__":
    unittest.main()
