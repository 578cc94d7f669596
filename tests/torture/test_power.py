"""Power losses under the real store, on a disk that loses or tears what was not synced:
no database is damaged, nothing acknowledged is lost, each state is of one commit.

build/tests/power_loss does the work and holds the oracle; its head says how.  Two runs
with a sync that does not sync show that it can fail: what synchronous=NORMAL leaves out
must lose acknowledged commits and damage nothing, no sync at all must damage databases.
"""
import json
import os
import subprocess
import unittest

from harness import torture

TOOL = os.path.join(os.environ.get("RETRAIN_BUILD", "build"), "tests", "power_loss")
LOSSES = torture.count(200, 10000)
CHUNK = 200                 # losses of one process
LIAR_LOSSES = 200           # enough for dozens of findings: see the test below


def lose(losses, seed, sync="honest"):
    done = subprocess.run([TOOL, f"--losses={losses}", f"--seed={seed}", f"--sync={sync}"],
                          capture_output=True, text=True, timeout=900, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode in (0, 1) and lines, \
        f"seed {seed}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    return json.loads(lines[-1]), "\n".join(lines[:-1][:20])


class Power(unittest.TestCase):
    def test_no_loss_of_power_loses_or_damages_anything(self):
        rng, total = torture.rng("power"), {}
        box = torture.Box("power losses", LOSSES)
        while box.open():
            got, said = lose(min(CHUNK, LOSSES - box.n), rng.randrange(2 ** 40))
            self.assertEqual((got["lost"], got["corrupt"]), (0, 0), said)
            for k, v in got.items():
                total[k] = total.get(k, 0) + v
            box.n += got["losses"]
        box.done()
        del total["seed"]
        print(f"# note: {json.dumps(total)}", flush=True)
        for what in ("in_open", "in_first_open", "in_checkpoint", "in_close",
                     "checkpoints_in_a_commit", "commits_in_a_checkpoint",
                     "unanswered_commits_kept"):
            self.assertGreater(total[what], 0, f"the loop never came to: {what}")

    def test_commits_that_are_not_synced_are_found_lost(self):
        got, said = lose(LIAR_LOSSES, torture.SEED, "normal")
        self.assertGreater(got["lost"], 0, said)
        self.assertEqual(got["corrupt"], 0, said)

    def test_a_disk_that_never_syncs_is_found_damaged(self):
        got, said = lose(LIAR_LOSSES, torture.SEED, "never")
        self.assertGreater(got["lost"], 0, said)
        self.assertGreater(got["corrupt"], 0, said)


if __name__ == "__main__":
    unittest.main()
