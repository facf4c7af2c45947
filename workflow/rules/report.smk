# What people look at: pooled tables over all runs, tables with intervals, figures, one page.


def judged_runs(kind):
    """The runs that have results of a kind; completions from elsewhere have no perplexity and no embeddings."""
    return WITH_MODEL if kind in ("perplexity", "similarity") else list(RUNS)


def pooled_inputs(wildcards):
    """One file for each evaluation set and run, in the order of `pooled_labels`."""
    suffix = "json" if wildcards.kind == "similarity" else "parquet"
    return expand(
        f"results/{wildcards.kind}/{{set}}/{{run}}.{suffix}",
        set=CONFIG.evaluation_sets,
        run=judged_runs(wildcards.kind),
    )


@functools.cache
def pooled_labels(kind):
    """The columns that stand in front of each pooled file's rows."""
    names = ("model", "dataset", "layers")
    return [
        {"set": evaluation_set, "run": run, **{name: getattr(RUNS[run], name) for name in names}}
        for evaluation_set in CONFIG.evaluation_sets
        for run in judged_runs(kind)
    ]


POOLED = {kind: f"results/{kind}/all.parquet" for kind in ("completions", "perplexity", "similarity", *CONFIG.scorers)}
SCORES = [f"{scorer}={POOLED[scorer]}" for scorer in CONFIG.scorers]
TABLES = expand(
    "results/tables/{table}.{format}",
    table=["summary", "distributions", "comparisons", "similarity"],
    format=["csv", "tex", "html"],
)


rule collect:
    input:
        pooled_inputs,
    output:
        "results/{kind}/all.parquet",
    wildcard_constraints:
        kind=one_of(POOLED),
    log:
        "results/logs/collect/{kind}.log",
    params:
        runs=lambda wildcards: settings(pooled_labels(wildcards.kind)),
        code=code("collect.py"),
    resources:
        **request("summarise"),
    shell:
        "python scripts/collect.py --kind {wildcards.kind} --inputs {input} --runs {params.runs:q}"
        " --output {output} --log {log}"


rule tables:
    input:
        **POOLED,
    output:
        TABLES,
    log:
        "results/logs/tables.log",
    params:
        settings=settings(declared.tables_stage(CONFIG)),
        scores=SCORES,
        code=code("tables.py"),
    resources:
        **request("summarise"),
    shell:
        "python scripts/tables.py --completions {input.completions} --perplexity {input.perplexity}"
        " --scores {params.scores} --similarity {input.similarity} --settings {params.settings:q}"
        " --output-folder results/tables --log {log}"
