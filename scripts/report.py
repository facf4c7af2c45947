"""Make one page of everything: findings, runs, tables, figures, abstracts side by side. It opens without a network."""

import argparse
from pathlib import Path

from feyntune.config.schema.report import PageStage
from feyntune.core.cli import launch, read_settings
from feyntune.report.options import add_checkpoints, add_pooled


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_pooled(parser)
    add_checkpoints(parser)
    parser.add_argument("--tables", type=Path, required=True, help="folder of tables")
    parser.add_argument("--figures", type=Path, required=True, help="folder of figures")
    parser.add_argument("--records", nargs="*", type=Path, default=[], help=".../{run}/run.json of trained runs")
    parser.add_argument("--history", nargs="*", type=Path, default=[], help=".../{run}/history.parquet")
    parser.add_argument("--datasets", nargs="*", type=Path, default=[], help=".../{dataset}/summary.json")
    parser.add_argument("--benchmarks", nargs="*", type=Path, default=[], help="{costs}/{stage}/.../{job}.tsv")
    parser.add_argument("--costs", type=Path, default=Path("results/costs"), help="folder of the benchmarks")
    parser.add_argument("--plan", type=Path, default=Path("results/plan.json"), help="the last plan, if there is one")
    parser.add_argument("--settings", required=True, help="PageStage, as JSON or a file of it")
    parser.add_argument("--output", type=Path, required=True, help="the page to write")


def main(options: argparse.Namespace) -> None:
    """Gather, render, write."""
    from feyntune.core.files import write_text
    from feyntune.report.page.content import PageSources, page_content
    from feyntune.report.page.render import render
    from feyntune.report.results import PooledFiles, read_results

    stage = read_settings(PageStage, options.settings)
    files = PooledFiles(options.completions, options.perplexity, dict(options.metrics))
    sources = PageSources(
        completions=options.completions,
        tables=options.tables,
        figures=options.figures,
        records=options.records,
        history=options.history,
        checkpoints=options.checkpoints,
        datasets=options.datasets,
        benchmarks=options.benchmarks,
        costs=options.costs,
        plan=options.plan,
    )
    write_text(
        options.output, render(page_content(read_results(files, stage.metrics, stage.unlike_base), sources, stage))
    )


if __name__ == "__main__":
    launch(__doc__, arguments, main)
