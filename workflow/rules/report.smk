# What people look at: pooled tables over all runs, tables with intervals, figures, one page.

from feyntune.config.groups import seed_groups
from feyntune.report.outputs import figure_files, table_files


def judged_runs(kind):
    """The runs that have results of a kind; completions from elsewhere have no embeddings, and few a perplexity."""
    if kind not in ("perplexity", "similarity"):
        return list(RUNS)
    return [*WITH_MODEL, *(run for run in IMPORTED if kind in RUNS[run].imports)]


@functools.cache
def judged_pairs(kind):
    """Pairs of evaluation set and run with results of a kind; sets that are not completed have perplexities only."""
    sets = CONFIG.evaluation_sets if kind == "perplexity" else COMPLETED
    return [
        (each, run)
        for each in sets
        for run in judged_on(each, judged_runs(kind))
        if each in COMPLETED or run in WITH_MODEL
    ]


def pooled_inputs(kind):
    """One file for each evaluation set and run, in the order of `pooled_labels`."""
    suffix = "json" if kind == "similarity" else "parquet"
    return [f"results/{kind}/{each}/{run}.{suffix}" for each, run in judged_pairs(kind)]


@functools.cache
def pooled_labels(kind):
    """The columns that stand in front of each pooled file's rows."""
    names = ("model", "dataset", "layers")
    return [
        {
            "set": evaluation_set,
            "run": run,
            **{name: getattr(RUNS[run], name) for name in names},
        }
        for evaluation_set, run in judged_pairs(kind)
    ]


def reported_datasets():
    """The datasets that runs are trained on or judged on, each once."""
    trained = [RUNS[run].dataset for run in TRAINED]
    judged = [
        evaluation_set.dataset
        for evaluation_set in CONFIG.evaluation_sets.values()
        if evaluation_set.dataset
    ]
    return list(dict.fromkeys([*trained, *judged]))


POOLED = {
    kind: f"results/{kind}/all.parquet"
    for kind in ("completions", "perplexity", "similarity", *CONFIG.metrics)
}
# Configurations with seeds or varied settings have more tables and figures than the others.
GROUPS = seed_groups(CONFIG, RUNS)
METRICS = [f"{metric}={POOLED[metric]}" for metric in CONFIG.metrics]
CHECKPOINTS = (
    expand("results/checkpoints/{run}.parquet", run=ADAPTED)
    if CONFIG.evaluation.checkpoints
    else []
)
TABLES = table_files("results/tables", GROUPS, checkpoints=bool(CHECKPOINTS))
FIGURES = figure_files("results/figures", GROUPS, checkpoints=bool(CHECKPOINTS))
TRAINED_FOLDERS = [folders.trained_folder(RUNS[run]) for run in TRAINED]
HISTORIES = expand("{folder}/history.parquet", folder=TRAINED_FOLDERS)
# Not inputs: nobody trains again because a note of its cost is lost. The programs take those that are there.
COSTS = [
    *expand("results/costs/checkpoints/{run}.tsv", run=ADAPTED if CHECKPOINTS else []),
    *expand("results/costs/{job}.tsv", job=[RUNS[run].training_job for run in TRAINED]),
    *expand(
        "results/costs/{stage}/{set}/{run}.tsv",
        stage=["complete", "perplexity", "similarity"],
        set=CONFIG.evaluation_sets,
        run=WITH_MODEL,
    ),
    *expand(
        "results/costs/prepare_metric/{metric}/{set}.tsv",
        metric=[metric for metric in PREPARED if metric in WITH_METRIC_MODEL],
        set=CONFIG.evaluation_sets,
    ),
    *expand(
        "results/costs/metric/{metric}/{set}/{run}.tsv",
        metric=WITH_METRIC_MODEL,
        set=CONFIG.evaluation_sets,
        run=RUNS,
    ),
    *expand(
        "results/costs/cpu_metric/{metric}/{set}/{run}.tsv",
        metric=WITHOUT_METRIC_MODEL,
        set=CONFIG.evaluation_sets,
        run=RUNS,
    ),
]


def columns_option(wildcards):
    """The program's option for the columns of a metric's tables."""
    if wildcards.kind not in CONFIG.metrics:
        return ""
    metric = registry.reported(wildcards.kind, CONFIG.metrics[wildcards.kind])
    return f"--columns {shlex.join(registry.file_columns(metric))}"


rule collect:
    """Pool the results of all runs into one table."""
    input:
        results=lambda wildcards: pooled_inputs(wildcards.kind),
        sets=expand("results/evaluation_sets/{set}.parquet", set=CONFIG.evaluation_sets),
    output:
        "results/{kind}/all.parquet",
    log:
        "results/logs/collect/{kind}.log",
    wildcard_constraints:
        kind=one_of(POOLED),
    resources:
        **request("summarise"),
    params:
        runs=lambda wildcards: settings(pooled_labels(wildcards.kind)),
        columns=columns_option,
        code=code("collect.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/collect.py" --kind {wildcards.kind} {params.columns} --inputs {input.results} --runs {params.runs:q}'
        " --sets {input.sets} --output {output} --log {log}"


# Functions, because Snakemake replaces braces in constant parameters, and titles may have some.
rule tables:
    """Write the tables: CSV, LaTeX and HTML."""
    input:
        **POOLED,
        checkpoints=CHECKPOINTS,
    output:
        TABLES,
    log:
        "results/logs/tables.log",
    resources:
        **request("summarise"),
    params:
        settings=lambda wildcards: settings(reported.tables_stage(CONFIG, RUNS)),
        metrics=METRICS,
        code=code("tables.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/tables.py" --completions {input.completions} --perplexity {input.perplexity}'
        " --metrics {params.metrics} --similarity {input.similarity} --checkpoints {input.checkpoints} --settings {params.settings:q}"
        " --output-folder results/tables --log {log}"


rule figures:
    """Draw the figures."""
    input:
        **POOLED,
        tables=TABLES,
        histories=HISTORIES,
        checkpoints=CHECKPOINTS,
        matrices=[
            f"results/similarity/{each}/{run}.pt"
            for each in COMPLETED
            for run in judged_on(each, WITH_MODEL)
        ],
    output:
        FIGURES,
    log:
        "results/logs/figures.log",
    resources:
        **request("summarise"),
    params:
        settings=lambda wildcards: settings(reported.figures_stage(CONFIG, RUNS)),
        metrics=METRICS,
        costs=COSTS,
        code=code("figures.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/figures.py" --completions {input.completions} --perplexity {input.perplexity}'
        " --metrics {params.metrics} --tables results/tables --history {input.histories} --matrices {input.matrices}"
        " --checkpoints {input.checkpoints}"
        " --benchmarks {params.costs} --settings {params.settings:q} --output-folder results/figures --log {log}"


rule report:
    """Write the report, one self-contained page."""
    input:
        **POOLED,
        tables=TABLES,
        figures=FIGURES,
        records=expand("{folder}/run.json", folder=TRAINED_FOLDERS),
        histories=HISTORIES,
        checkpoints=CHECKPOINTS,
        datasets=expand(
            "results/datasets/{dataset}/summary.json", dataset=reported_datasets()
        ),
    output:
        "results/report.html",
    log:
        "results/logs/report.log",
    resources:
        **request("summarise"),
    params:
        settings=lambda wildcards: settings(reported.page_stage(CONFIG, RUNS)),
        metrics=METRICS,
        costs=COSTS,
        code=code("report.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/report.py" --completions {input.completions} --perplexity {input.perplexity}'
        " --metrics {params.metrics} --tables results/tables --figures results/figures --records {input.records}"
        " --history {input.histories} --checkpoints {input.checkpoints} --datasets {input.datasets} --benchmarks {params.costs} --settings {params.settings:q}"
        " --output {output} --log {log}"


rule explore:
    """Write the page on which all completions can be searched and sorted; its data are files beside it."""
    input:
        **POOLED,
    output:
        "results/explore/index.html",
    log:
        "results/logs/explore.log",
    resources:
        **request("summarise"),
    params:
        settings=lambda wildcards: settings(reported.explore_stage(CONFIG)),
        metrics=METRICS,
        code=code("explore.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/explore.py" --completions {input.completions} --perplexity {input.perplexity}'
        " --metrics {params.metrics} --settings {params.settings:q} --output {output} --log {log}"
