"""A damaged result, table or figure does not end in a report."""

import shutil

import pytest
import torch

from feyntune.config.schema.report import FiguresStage, PageStage, TablesStage, Uncertainty
from feyntune.core.files import write_json
from feyntune.core.tensors import write_tensors
from feyntune.report.figures.gallery import FigureSources, draw_figures
from feyntune.report.figures.style import empty_figure, save
from feyntune.report.made_files import read_exact_table
from feyntune.report.outputs import FIGURES, TABLES
from feyntune.report.page.content import PageSources, page_content
from feyntune.report.tables import write_tables
from support import made_results
from support.damage import DAMAGES, damage, refusal
from support.metrics import SEMSCORE
from support.programs import call


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with everything that the report is made from."""
    folder = tmp_path_factory.mktemp("whole")
    made_results.make_results(folder, count=12)
    made_results.make_adapters(folder)
    made_results.make_matrices(folder, count=12)
    made_results.make_benchmarks(folder)
    write_json(folder / "datasets/hep-th/summary.json", {"rows": {"train": 1}})
    write_json(folder / "plan.json", {"jobs": {}})
    write_tables_of(folder)
    figure = empty_figure("A figure like any other.")
    for name in FIGURES:
        save(figure, folder / "figures", name)
    return folder


def write_tables_of(folder):
    stage = TablesStage(seed=0, uncertainty=Uncertainty(resamples=99), compared_layers=[("all", "qkv")])
    write_tables(made_results.read_made(folder), made_results.pooled(folder, "similarity"), stage, folder / "tables")


def draw(folder, output):
    sources = FigureSources(
        tables=folder / "tables",
        history=sorted(folder.glob("adapters/*/history.parquet")),
        matrices=sorted(folder.glob("similarity/unseen/*.pt")),
        benchmarks=sorted(folder.glob("costs/**/*.tsv")),
        costs=folder / "costs",
    )
    stage = FiguresStage(seed=0, heatmap_rows=10, gpus={}, metrics=[SEMSCORE])
    draw_figures(made_results.read_made(folder), sources, stage, output)


def page(folder, results=None):
    sources = PageSources(
        completions=made_results.pooled(folder, "completions"),
        tables=folder / "tables",
        figures=folder / "figures",
        records=sorted(folder.glob("adapters/*/run.json")),
        history=sorted(folder.glob("adapters/*/history.parquet")),
        datasets=sorted(folder.glob("datasets/*/summary.json")),
        benchmarks=sorted(folder.glob("costs/**/*.tsv")),
        costs=folder / "costs",
        plan=folder / "plan.json",
    )
    stage = PageStage(seed=0, abstracts=2, gpus={}, metrics=[SEMSCORE])
    return page_content(results or made_results.read_made(folder), sources, stage)


@pytest.fixture
def folder(whole, tmp_path):
    """A copy of it to damage."""
    return shutil.copytree(whole, tmp_path / "results")


POOLED = ["completions/all.parquet", "perplexity/all.parquet", "semscore/all.parquet"]
READ_BY_THE_REPORT = [
    "tables/comparisons.csv", "tables/summary.html", "tables/similarity.tex", "tables/quantities.csv",
    "figures/intervals.svg", "figures/time.png", "adapters/tiny_hep-th_all/run.json",
    "adapters/tiny_hep-th_all/history.parquet",
    "datasets/hep-th/summary.json",
]  # fmt: skip
READ_BY_THE_FIGURES = ["tables/distributions.csv", "similarity/unseen/tiny_base.pt"]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_input_is_not_in_a_report(folder, how):
    results = made_results.read_made(folder)
    for file in [*POOLED, *READ_BY_THE_REPORT]:
        original = (folder / file).read_bytes()
        damage(folder / file, how)
        refusal(lambda file=file: page(folder, None if file in POOLED else results), folder, file)
        (folder / file).write_bytes(original)
    assert page(folder)["runs"]


def test_every_table_and_figure_is_checked(folder):
    files = [f"tables/{name}.{kind}" for name in TABLES for kind in ("csv", "html", "tex")]
    files += [f"figures/{name}.{kind}" for name in FIGURES for kind in ("svg", "png")]
    results = made_results.read_made(folder)
    for file in files:
        original = (folder / file).read_bytes()
        (folder / file).unlink()
        refusal(lambda: page(folder, results), folder, file)
        (folder / file).write_bytes(original)


def test_a_table_that_lost_whole_rows_is_refused(folder):
    path = folder / "tables/summary.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert "4 rows, and 5 in summary.html" in refusal(lambda: page(folder), folder, "summary.csv")


@pytest.mark.parametrize("digit", ["\x11", "s", "O"])  # a bit or a letter in the place of a digit
@pytest.mark.parametrize(("name", "column"), [("distributions", "mean"), ("comparisons", "p"), ("changes", "base")])
def test_a_damaged_digit_of_a_table_is_one_line(folder, name, column, digit):
    path = folder / f"tables/{name}.csv"
    head, first, *rest = path.read_text().splitlines(keepends=True)
    cells = first.split(",")
    place = head.rstrip("\n").split(",").index(column)
    cells[place] = f"{cells[place][:3]}{digit}{cells[place][4:]}"
    path.write_text("".join([head, ",".join(cells), *rest]))
    line = refusal(lambda: read_exact_table(folder / "tables", name), folder, f"{name}.csv")
    assert f"among the numbers of column '{column}'" in line


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_input_of_the_figures_is_one_line(folder, how, tmp_path):
    for file in READ_BY_THE_FIGURES:
        original = (folder / file).read_bytes()
        damage(folder / file, how)
        refusal(lambda: draw(folder, tmp_path / "out"), folder, file, tmp_path / "out")
        (folder / file).write_bytes(original)


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_table_is_not_on_the_terminal(folder, how):
    for name in ("summary", "quantities", "comparisons"):
        original = (folder / f"tables/{name}.csv").read_bytes()
        damage(folder / f"tables/{name}.csv", how)
        refusal(lambda: call("print_summary", "--results", folder), folder, f"tables/{name}.csv")
        (folder / f"tables/{name}.csv").write_bytes(original)
    call("print_summary", "--results", folder)


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_similarities_are_not_in_a_table(folder, how):
    damage(folder / "similarity/all.parquet", how)
    refusal(lambda: write_tables_of(folder), folder, "similarity/all.parquet")


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_plan_or_benchmark_costs_its_numbers_only(folder, how):
    damage(folder / "plan.json", how)
    damage(folder / "costs/train/unseen/one.tsv", how)
    assert page(folder)["tables"] == page(folder)["tables"] and page(folder)["figures"]


@pytest.mark.parametrize("matrix", [None, 5, torch.zeros(4), torch.zeros(0, 0), torch.full((12, 12), torch.nan)])
def test_a_file_without_a_matrix_of_cosines_is_one_line(folder, tmp_path, matrix):
    write_tensors(folder / "similarity/unseen/tiny_base.pt", {"ids": [], "matrix": matrix})
    refusal(lambda: draw(folder, tmp_path / "out"), folder, "tiny_base.pt", tmp_path / "out")
