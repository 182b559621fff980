#!/usr/bin/env python3
"""Ctrl-C saves and says how to go on; a run that was interrupted or killed ends with the same bits as one that was not."""
import os
import signal
import subprocess
import time

import kit

LONG = kit.CLASSIFIER.replace("epochs=4", "epochs=40").replace("batch=50", "batch=10")


class Resume(kit.Case):
    def start(self, out):
        return subprocess.Popen([kit.NRG, "train", "m.nrg", "--data", "moons.npz", "--seed", "1", "--checkpoint", "0.001s", "-o", out],
                                cwd=self.folder, stderr=subprocess.PIPE, text=True)

    def wait_for_epoch(self, child, epoch):
        """Reads progress until this epoch is over; its checkpoint is then on the disk or soon will be."""
        said = ""
        for line in child.stderr:
            said += line
            if line.startswith("epoch") and int(line.split()[1].split("/")[0]) >= epoch:
                return said
        self.fail(f"ended too early:\n{said}")

    def weights(self, out):
        return (self.folder / out / "weights.safetensors").read_bytes()

    def whole(self):
        self.write("m.nrg", LONG)
        self.moons(1000)
        self.nrg("train", "m.nrg", "--data", "moons.npz", "--seed", 1, "--quiet", "-o", "whole")
        return self.weights("whole")

    def stop_and_resume(self, number, code):
        want = self.whole()
        child = self.start("cut")
        self.wait_for_epoch(child, 3)
        child.send_signal(number)
        rest = child.stderr.read()
        child.wait(timeout=120)
        child.stderr.close()
        self.assertEqual(child.returncode, code, rest)
        self.nrg("train", "m.nrg", "--data", "moons.npz", "--seed", 1, "-o", "cut", "--resume", "--quiet")
        self.assertEqual(want, self.weights("cut"))
        return rest

    def test_interrupt(self):
        rest = self.stop_and_resume(signal.SIGINT, 130)
        self.assertIn("continue with: nrg train m.nrg --data moons.npz --seed 1 --checkpoint 0.001s -o cut --resume", rest)

    def test_kill(self):
        self.stop_and_resume(signal.SIGKILL, -9)

    def test_second_interrupt_quits_now(self):
        self.write("m.nrg", LONG.replace("epochs=40", "epochs=4000"))
        self.moons(1000)
        child = self.start("cut")
        self.wait_for_epoch(child, 1)
        child.send_signal(signal.SIGINT)
        child.send_signal(signal.SIGINT)
        start = time.time()
        child.stderr.read()
        child.wait(timeout=60)
        child.stderr.close()
        self.assertEqual(child.returncode, 130)
        self.assertLess(time.time() - start, 30)

    def test_time_limit(self):
        self.write("m.nrg", LONG.replace("epochs=40", "epochs=100000"))
        self.moons(1000)
        start = time.time()
        got = subprocess.run([kit.NRG, "train", "m.nrg", "--data", "moons.npz", "--time", "1s", "-o", "short", "--quiet"],
                             cwd=self.folder, stderr=subprocess.PIPE, text=True, timeout=120)
        self.assertIn(got.returncode, (0, 130), got.stderr)
        self.assertLess(time.time() - start, 60)
        self.assertTrue(os.path.exists(self.folder / "short/weights.safetensors"))


kit.main()
