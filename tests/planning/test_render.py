"""The text of a plan: reasons, warnings, tables; and the predictions that are kept for the report."""

import json
import os

import pytest

from feyntune.planning import calibrate
from feyntune.planning.devices import find_gpu
from feyntune.planning.jobs import CODE, DELETED, NEW, Job, grouped, is_about_content, settings_changes
from feyntune.planning.plan import Plan, Planned
from feyntune.planning.render import count, duration, gigabytes, render, warnings
from feyntune.planning.work import Work
from feyntune.report.costs import by_stage, costs, costs_layout

A100 = find_gpu("A100")


def planned(stage="train", run="tiny_all", seconds=3600.0, gpu=1, peak=10e9, **asked):
    asked = {"runtime": 120, "mem_mb": 8000, "threads": 4, **asked}
    job = Job(stage, {"run": run}, why=[NEW], gpu=gpu, **asked)
    memory = A100.memory if gpu else asked["mem_mb"] * 1e6
    return Planned(job, Work(tokens=5e6, peak=peak, disk=2e9), seconds, False, memory)


def plan(*jobs):
    offered = {"jobs": 3, "cores": None, "gpu": None}
    planned_jobs = {each.job.key: each for each in jobs}
    return Plan(planned_jobs, ["tiny_qkv", "tiny_all"], 9, 7200.0, offered, A100, ["something"])


def settings(**changes):
    return repr(json.dumps({"generation": {"temperature": 0.7, "top_p": 1.0}, "run": "it's \\ mine", **changes}))


def test_a_changed_setting_is_named_with_both_values():
    now = settings(generation={"temperature": 0.5, "top_p": 1.0})
    assert settings_changes([settings()], [now]) == ["generation.temperature: 0.7 -> 0.5"]


def test_changed_code_is_distinguished_from_settings():
    before, now = "'0123456789abcdef'", "'0123456789abcdee'"
    assert settings_changes([before], [now]) == [CODE]
    assert settings_changes([settings(), before], [settings(new=1), now]) == ["new: none -> 1", CODE]


def test_many_changes_are_counted_and_unreadable_ones_mentioned():
    before, now = (settings(many={str(key): value for key in range(9)}) for value in (1, 2))
    assert settings_changes([before], [now])[-1] == "6 more settings"
    assert settings_changes(["rubbish"], ["other rubbish"]) == ["its settings changed"]


def test_only_some_reasons_are_about_the_content():
    assert [is_about_content(reason) for reason in (CODE, "new results of train", DELETED, "seed: 1 -> 2", NEW)] == [
        False,
        False,
        False,
        True,
        True,
    ]


def test_reasons_of_many_jobs_are_counted():
    jobs = [Job("perplexity", {"run": name}, why=why) for name, why in (("a", ["x"]), ("b", ["x"]), ("c", ["x", "y"]))]
    assert grouped(jobs) == "x; y (1)"


def test_the_table_has_the_sums():
    lines = render(plan(planned(), planned(run="tiny_qkv", seconds=1800.0), planned("perplexity", gpu=0)))
    rows = {line.split()[0]: line for line in lines if line}
    assert "1.5 h" in rows["train"] and "1.0 h" in rows["train"] and "1.5" in rows["train"]
    assert "tiny_qkv" in rows and "train, perplexity" in rows["tiny_all"]
    total = next(line for line in lines if line.startswith("3 of 9 jobs"))
    assert "2.0 h of wall time (3 jobs at a time)" in total
    assert "1.5 GPU-hours (time limits ask for 4)" in total
    assert "6.0 GB of disk" in total
    assert "12 cores in all, at most 4 per job" in total
    assert "assumed: something" in lines


def test_runs_keep_their_order_and_unknown_costs_are_shown():
    lines = render(plan(planned(), planned(run="tiny_qkv", seconds=None)))
    first = [line.split()[0] for line in lines if line.startswith("tiny")]
    assert first == ["tiny_qkv", "tiny_all"]
    assert any("more than 2.0 h" in line for line in lines)
    assert any(line.startswith("tiny_qkv") and "unknown" in line for line in lines)


def test_a_plan_without_stale_jobs_is_one_line():
    assert render(plan()) == ["All 9 jobs are up to date: nothing would run."]


def test_a_warning_about_time_names_the_setting():
    (line,) = warnings(plan(planned(seconds=3600.0), planned(run="slow", seconds=9000.0)))
    assert line.startswith("train: 1 of 2 jobs may exceed the time limit; train/slow may take 150 of 120")
    assert "resources.train.runtime" in line
    (line,) = warnings(plan(planned("prepare_metric", seconds=9000.0)))
    assert "resources.metrics.runtime" in line


def test_a_warning_about_memory_names_the_setting():
    (line,) = warnings(plan(planned(peak=41e9)))
    assert "may exceed the memory of a GPU; train/tiny_all needs about 41.0 of 42.9 GB" in line
    assert "training.per_device_batch_size" in line and "mem_mb" not in line
    (line,) = warnings(plan(planned("similarity", gpu=0, peak=9e9)))
    assert "may exceed the memory that they ask for" in line and "resources.similarity.mem_mb" in line
    assert warnings(plan(planned(peak=None), planned(run="b", seconds=None))) == []


def test_numbers_are_short():
    assert [duration(seconds) for seconds in (3, 90, 7200, 2e5)] == ["3 s", "1.5 min", "2.0 h", "2.3 d"]
    assert [count(number) for number in (0, 12, 4e4, 3.1e8, 1.9e9)] == ["-", "12", "40 k", "310 M", "1.9 G"]
    assert [gigabytes(size) for size in (0, 5e6, 1.6e10)] == ["-", "5 MB", "16.0 GB"]


def test_a_prediction_counts_only_if_it_was_made_before_the_job(tmp_path):
    path = tmp_path / "plan.json"
    for moment, seconds in ((100, 60.0), (200, 70.0), (300, 80.0), (400, 90.0)):
        calibrate.keep(plan(planned(seconds=seconds)), {"train/tiny_all"}, path, now=moment)
    kept = calibrate.read(path)
    assert len(kept["train/tiny_all"]) == calibrate.KEPT
    assert calibrate.predicted_before(kept, "train/tiny_all", 310)["seconds"] == 80.0
    assert calibrate.predicted_before(kept, "train/tiny_all", 50) == {}
    assert calibrate.predicted_before(kept, "train/other", 310) == {}


def test_jobs_that_never_ran_and_no_longer_exist_are_dropped(tmp_path):
    benchmark(tmp_path / "costs", "train/ran", 1.0, 60)
    calibrate.keep(plan(planned(run="gone"), planned(run="ran")), set(), tmp_path / "plan.json")
    calibrate.keep(plan(planned(run="new")), {"train/new"}, tmp_path / "plan.json")
    assert set(calibrate.read(tmp_path / "plan.json")) == {"train/ran", "train/new"}


@pytest.mark.parametrize("text", ["", "rubbish", "[]", '{"jobs": 3}', "{}"])
def test_a_broken_record_counts_as_none(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    assert calibrate.read(tmp_path / "plan.json") == {}


def benchmark(folder, job, seconds, began, memory="100.0"):
    path = folder / f"{job}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t{memory}\n")
    os.utime(path, (began + seconds, began + seconds))
    return path


def test_predicted_and_measured_costs_are_compared(tmp_path):
    made = plan(planned(seconds=100.0), planned("perplexity", gpu=0, seconds=10.0, peak=None))
    calibrate.keep(made, set(), tmp_path / "p", now=50)
    trained = tmp_path / "adapters/tiny_all/run.json"
    trained.parent.mkdir(parents=True)
    trained.write_text('{"measured": {"seconds": 300.0, "peak_memory_mb": 1024}}')
    files = [
        benchmark(tmp_path, "train/tiny_all", 200.0, 60),  # the second of two jobs
        benchmark(tmp_path, "perplexity/tiny_all", 20.0, 60),
        benchmark(tmp_path, "perplexity/unplanned", 30.0, 60, memory="NA"),
        tmp_path / "perplexity/lost.tsv",
    ]
    table = costs(files, tmp_path, tmp_path / "p", [trained], {"train/tiny_all": 2, "train": 1})
    assert list(table["measured"]) == [300, 20, 30]
    assert list(table["measured_gpu"]) == [600, 0, 0]
    assert list(table["measured_peak"])[:2] == [2**30, 100 * 2**20]
    assert table["predicted"].isna().sum() == 1
    stages = by_stage(table).set_index("stage")
    assert stages.loc["perplexity", ["job", "predicted", "measured"]].tolist() == [1, 10, 20]
    shown = costs_layout(by_stage(table)).set_index("Stage")
    assert shown.loc["perplexity", "Measured / predicted"] == "2.00"
    assert shown.loc["train", "Measured (GPU-hours)"] == "0.17"
    assert shown.loc["perplexity", "Predicted peak (GB)"] == "–"
    assert list(costs_layout(table)["Job"]) == ["tiny_all", "tiny_all", "unplanned"]
