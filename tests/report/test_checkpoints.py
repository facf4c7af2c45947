"""Learning curves of all quantities, as people see them: tables, sentences, faults, the figure."""

import math

import pandas
import pytest
from scipy.stats import norm

from feyntune.core.files import write_table
from feyntune.report.checkpoints import chosen_steps, curves, curves_layout, faults, read_curves
from feyntune.report.figures.checkpoints import checkpoints_figure
from feyntune.report.results import PERPLEXITY, Quantity

SIMILAR = Quantity("semscore", "SemScore", "higher", headline=True)
QUANTITIES = [*PERPLEXITY, SIMILAR]
PERPLEXITIES = {0: (9.0, 8.0), 4: (5.0, 4.0), 8: (6.0, 3.0)}
"""By step: on the validation split, and on the set."""


def rows(best=4, published=8):
    found = []
    for step, (validation, test) in PERPLEXITIES.items():
        chosen = {"best": step == best, "published": step == published}
        shared = {"step": step, "epoch": step / 4, "abstracts": 10, "standard_error": 0.5, "reason": None, **chosen}
        found.append({**shared, "set": "d/validation", "metric": "perplexity", "mean": validation})
        found.append({**shared, "set": "unseen", "metric": "perplexity", "mean": test})
        found.append({**shared, "set": "unseen", "metric": "semscore", "mean": 0.1 * step})
    return found


@pytest.fixture
def read(tmp_path):
    import pyarrow

    def write(**runs):
        paths = [tmp_path / f"{name}.parquet" for name in runs]
        for path, given in zip(paths, runs.values(), strict=True):
            write_table(path, pyarrow.Table.from_pylist(given))
        return read_curves(paths)

    return write


def test_a_row_for_each_run_set_and_step_with_all_quantities(read):
    table = curves(read(one=rows(), two=rows(best=8)))
    assert len(table) == 2 * 3 * 2
    assert list(table["run"]) == ["one"] * 6 + ["two"] * 6
    first = table.iloc[1]
    assert (first["set"], first["step"], first["perplexity"], first["semscore"]) == ("unseen", 0, 8.0, 0.0)
    assert first["perplexity_standard_error"] == 0.5
    assert math.isnan(table.iloc[0]["semscore"]), "a validation split is not completed"


def test_people_see_normal_intervals_and_which_adapter_is_which(read):
    shown = curves_layout(curves(read(one=rows())), QUANTITIES, 0.95)
    assert list(shown["Adapter"]) == ["–", "–", "best", "best", "published", "published"]
    half = norm.ppf(0.975) * 0.5
    assert shown["Perplexity"][3] == f"4.0 [{4 - half:.1f}, {4 + half:.1f}]"
    assert shown["SemScore"][2] == "–"
    both = curves_layout(curves(read(one=rows(best=8))), QUANTITIES, 0.95)
    assert list(both["Adapter"])[-1] == "best, published"


def test_the_chosen_step_is_a_sentence(read):
    assert chosen_steps(read(one=rows(), two=rows(best=8))) == [
        "one: step 4 of 8 has the lowest perplexity on the validation split (5); step 8 (6) is published.",
        "two: step 8 of 8 has the lowest perplexity on the validation split (6), and is published.",
    ]
    assert chosen_steps(read_curves([])) == []


def test_what_is_missing_is_listed_with_its_reason_and_steps(read):
    given = rows()
    for row in given:
        if row["metric"] == "semscore" and row["step"] > 0:
            row["mean"], row["standard_error"], row["reason"] = None, None, "it is empty"
    table = read(one=given)
    assert faults(table, QUANTITIES) == ["SemScore could not be computed for one after step 4, 8: it is empty"]
    assert faults(read(two=rows()), QUANTITIES) == []
    assert list(curves_layout(curves(table), QUANTITIES, 0.95)["SemScore"])[-1] == "–"


def test_the_figure_has_a_panel_for_each_quantity_and_a_ring_at_the_best_step(read):
    labels = {"model": "m", "dataset": "d", "layers": "all", "set": "unseen"}
    runs = pandas.DataFrame([{"run": "one", **labels}, {"run": "base", **labels, "dataset": None, "layers": "base"}])
    figure = checkpoints_figure(runs, read(one=rows()), QUANTITIES)
    perplexity, similar = figure.axes
    assert [axis.get_ylabel() for axis in figure.axes] == ["Perplexity", "SemScore"]
    assert perplexity.get_yscale() == "log" and similar.get_yscale() == "linear"
    drawn = {tuple(map(tuple, line.get_xydata())) for line in perplexity.lines}
    assert drawn == {
        ((0, 9), (4, 5), (8, 6)), ((4, 5),),  # the validation split, and its ring
        ((0, 8), (4, 4), (8, 3)), ((4, 4),),
    }  # fmt: skip
    assert [line.get_xydata().tolist() for line in similar.lines] == [[[0, 0], [4, 0.4], [8, 0.8]], [[4, 0.4]]]
