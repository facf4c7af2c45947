"""The program behind `make gpu-test` itself, on the CPU with a small model."""

import json
import os
import subprocess
import sys

from feyntune.core.fingerprint import SCRIPTS


def test_it_runs_every_program_and_sums_up(tmp_path):
    paths = os.pathsep.join([str(SCRIPTS), str(SCRIPTS.parent / "tests")])
    command = [sys.executable, "-m", "gpu", "--cpu", "--folder", str(tmp_path), "--abstracts", "4"]
    finished = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    summary = json.loads((tmp_path / "gpu-test.json").read_text())
    assert set(summary["seconds"]) == {"check_compute", "train", "complete", "perplexity"}
    assert summary["new_tokens"] > 0 and summary["training"]["tokens_per_second"] > 0
    assert "PASS  compute  nf4 on cpu" in finished.stdout
