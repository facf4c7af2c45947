"""The logger plugin: what the terminal shows of a run."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from snakemake_logger_plugin_progress.handler import LogHandler, ended_silently, planned_seconds
from snakemake_logger_plugin_progress.progress import RunProgress
from support.workspace import ENVIRONMENT, PROJECT, run_snakemake

SNAKEFILE = """
import sys
sys.path.insert(0, {scripts!r})

rule all:
    input: "last"

rule part:
    output: "parts/{{n}}"
    log: "logs/{{n}}.log"
    shell: "test {{wildcards.n}} != $BROKEN || {{{{ echo part: error: broken; exit 3; }}}}; touch {{output}}"

rule last:
    input: expand("parts/{{n}}", n=range(3))
    output: "last"
    shell: "touch {{output}}"
"""


@pytest.fixture
def run(tmp_path: Path):
    """A function that runs a workflow of four jobs, of which ``broken`` fails; it gives the exit code and the lines."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(scripts=str(PROJECT / "scripts")))

    def run(*options: str, broken: str = "9") -> tuple[int, list[str]]:
        profile = ["--profile", str(PROJECT / "profiles/local"), "--cores", "1"]
        done = run_snakemake([*profile, *options], tmp_path, {**ENVIRONMENT, "BROKEN": broken})
        lines = [line for line in done.stdout.splitlines() if not line.startswith(("Using profile", "Elapsed time"))]
        return done.returncode, lines

    return run


def test_a_run_shows_one_line_a_stage_and_no_more(run):
    code, lines = run()
    assert code == 0
    assert lines[0] == "4 jobs to run"
    assert lines[1].startswith("[3 of 4 jobs] part: 3 of 3 done, last ")
    assert lines[2].startswith("[4 of 4 jobs] last: done in ")
    assert len(lines) == 3, lines
    assert run() == (0, ["Nothing to be done (all requested files are present and up to date)."])


def test_a_failed_job_is_one_line_with_its_log(run):
    code, lines = run(broken="1")
    assert code == 1
    assert "part: error: broken" in lines
    assert "failed: part 1; its log: logs/1.log" in lines
    assert not any("CalledProcessError" in line or "Traceback" in line for line in lines)


def test_a_dry_run_is_shown_as_by_snakemake(run):
    code, lines = run("--dry-run")
    assert code == 0 and "Job stats:" in lines


def test_printshellcmds_shows_all_messages(run):
    assert any(line.startswith("Finished jobid") for line in run("--printshellcmds")[1])


def test_a_closed_terminal_does_not_end_a_run():
    settings = SimpleNamespace(
        stdout=False,
        dryrun=False,
        verbose=False,
        printshellcmds=False,
        debug_dag=False,
        quiet=set(),
        show_failed_logs=False,
    )
    handler = LogHandler(settings, None)
    read, write = os.pipe()
    os.close(read)
    handler.stream = open(write, "w")  # noqa: SIM115 - the handler keeps it
    for _ in range(2):
        handler.handle(logging.makeLogRecord({"msg": "a warning", "levelno": logging.WARNING}))
    assert handler.stream.name == os.devnull


def test_the_time_left_follows_the_plan_and_the_pace_so_far():
    progress = RunProgress()
    planned = {"train": 100.0, "perplexity": 10.0}
    assert progress.begin({"train": 2, "perplexity": 2, "all": 1, "total": 5}, planned, 0.0) == "4 jobs to run"
    progress.start(1, "train", ["tiny", "qkv"], 0.0)
    assert progress.seconds_left(5.0) is None
    # 100 of 220 planned seconds took 50: the other 120 take 60.
    assert progress.finish(1, 50.0) == "[1 of 4 jobs, about 1.0 min left] train: 1 of 2 done, last tiny qkv in 50 s"
    progress.start(2, "train", ["other"], 50.0)
    progress.start(3, "perplexity", ["a"], 50.0)
    assert progress.finish(3, 51.0) is None  # the last line is recent
    progress.start(4, "perplexity", ["b"], 51.0)
    assert progress.finish(4, 52.0) == "[3 of 4 jobs, about 43 s left] perplexity: 2 of 2 done, last b in 1 s"
    assert progress.finish(2, 100.0) == "[4 of 4 jobs] train: 2 of 2 done, last other in 50 s"


def test_the_first_short_jobs_do_not_predict_a_long_run():
    progress = RunProgress()
    progress.begin({"train": 1, "read": 2}, {"train": 95.0, "read": 2.5}, 0.0)
    for job, now in ((1, 40.0), (2, 80.0)):  # each takes sixteen times the planned time
        progress.start(job, "read", [], now - 40)
        progress.finish(job, now)
        assert progress.seconds_left(now) == (None if job == 1 else pytest.approx(80 * 95 / 5))


def test_without_a_plan_of_every_stage_no_time_left_is_shown():
    progress = RunProgress()
    progress.begin({"train": 1, "perplexity": 1}, {"train": 100.0}, 0.0)
    progress.start(1, "train", [], 0.0)
    assert progress.finish(1, 20.0) == "[1 of 2 jobs] train: done in 20 s"


def test_planned_seconds_are_means_by_stage(tmp_path):
    path = tmp_path / "plan.json"
    kept = {"train/a": [1.0, 30.0], "train/b": [10.0], "x": [None]}
    jobs = {key: [{"planned": 0, "seconds": each} for each in seconds] for key, seconds in kept.items()}
    path.write_text(json.dumps({"jobs": jobs}))
    assert planned_seconds(path) == {"train": 20.0, "x": 0.0}


@pytest.mark.parametrize(
    "content", ["", "[]", '{"jobs": {"a": []}}', '{"jobs": 3}', '{"jobs": {"a": [{"seconds": "x"}]}}']
)
def test_a_damaged_plan_gives_no_predictions(tmp_path, content):
    path = tmp_path / "plan.json"
    path.write_text(content)
    assert planned_seconds(path) == {}
    assert planned_seconds(tmp_path / "missing.json") == {}


@pytest.mark.parametrize(
    ("said", "silently"),
    [
        ("", True),
        ("complete tiny_base: completes 8 abstracts\n", True),
        ("complete tiny_base: error: the disk is full\n", False),
        ("complete tiny_base: ended by SIGTERM; run again to continue\n", False),
        ("train tiny_base: interrupted\n", False),
        ("Traceback (most recent call last):\n", False),
    ],
)
def test_a_job_that_was_killed_has_no_last_word(tmp_path, said, silently):
    header = "# 2026-01-01 process 1\n# complete.py\n# {}\n"
    (tmp_path / "a.log").write_text(f"{header}complete tiny_base: error: an earlier one\n{header}{said}")
    assert ended_silently([tmp_path / "a.log"]) == silently
    (tmp_path / "b.log").write_text("of a program without a header\n")
    assert not ended_silently([tmp_path / "b.log", tmp_path / "none.log"])
    progress = RunProgress()
    progress.start(1, "complete", ["tiny_base"], 0.0)
    line = progress.fail(1, ["a.log"], silently)
    assert line.startswith("failed: complete tiny_base") and ("no error in its log" in line) == silently
