"""build/tests/statistics: false alarms and delays of every detector beside the
published ones, and the false alarms of the PSI test."""
import os
import subprocess
import unittest


class StatisticsTest(unittest.TestCase):
    def test_false_alarms_and_delays(self):
        program = os.path.join(os.environ["RETRAIN_BUILD"], "tests", "statistics")
        done = subprocess.run([program], text=True, capture_output=True, check=False)
        for line in done.stdout.splitlines():
            print("# " + line)
        self.assertEqual(0, done.returncode, done.stdout)
        self.assertGreaterEqual(done.stdout.count(" expected "), 68)
        self.assertEqual(16, done.stdout.count("PSI m"))
