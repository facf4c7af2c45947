# Completions, perplexities and metrics that were computed elsewhere, as those of a run.


def import_folder(run, kind):
    """Folder with links to a table of the hub."""
    return f"results/imports/{run}/{kind}"


def imported_table(run, kind):
    """The table with a run's results of a kind: a local file, or the folder of a dataset of the hub."""
    source = RUNS[run].imports[kind]
    return source.path or f"{import_folder(run, kind)}/source"


def imported_files(run, kind):
    """The input of a job: a local file, or the receipt of a dataset of the hub."""
    source = RUNS[run].imports[kind]
    if not source.path:
        return f"{import_folder(run, kind)}/fetched.json"
    key = f"metrics.{kind}" if kind in CONFIG.metrics else kind
    return must_exist(
        source.path, f"$.runs.{run}.{key}", "put it there, or correct the path"
    )


def import_settings(run, evaluation_set, kind):
    """The settings of an import."""
    return settings(stages.import_stage(CONFIG, RUNS[run], evaluation_set, kind))


IMPORTS = [(run, kind) for run in IMPORTED for kind in RUNS[run].imports]
# Imported results that the rules for models or metrics could compute as well.
IMPORTED_VALUES = {
    f"{kind}/{evaluation_set}/{run}": (run, kind, evaluation_set)
    for run, kind in IMPORTS
    if kind != "completions"
    for evaluation_set in COMPLETED
}


ruleorder: import_values > metric
ruleorder: import_values > cpu_metric


rule import_completions:
    """Import a run's completions."""
    input:
        table=lambda wildcards: imported_files(wildcards.run, "completions"),
        dataset=lambda wildcards: split_of(wildcards.set),
    output:
        "results/completions/{set}/{run}.parquet",
    log:
        "results/logs/import_completions/{set}/{run}.log",
    wildcard_constraints:
        run=one_of(IMPORTED),
    resources:
        **request("summarise"),
    params:
        table=lambda wildcards: imported_table(wildcards.run, "completions"),
        settings=lambda wildcards: import_settings(
            wildcards.run, wildcards.set, "completions"
        ),
        code=code("import_completions.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/import_completions.py" --table {params.table:q} --dataset {input.dataset:q}'
        " --settings {params.settings:q} --output {output:q} --log {log:q}"


rule import_values:
    """Import a run's perplexities or values of a metric."""
    input:
        table=lambda wildcards: imported_files(*IMPORTED_VALUES[wildcards.result][:2]),
        dataset=lambda wildcards: split_of(IMPORTED_VALUES[wildcards.result][2]),
    output:
        "results/{result}.parquet",
    log:
        "results/logs/import_values/{result}.log",
    wildcard_constraints:
        result=one_of(IMPORTED_VALUES),
    resources:
        **request("summarise"),
    params:
        table=lambda wildcards: imported_table(*IMPORTED_VALUES[wildcards.result][:2]),
        kind=lambda wildcards: IMPORTED_VALUES[wildcards.result][1],
        settings=lambda wildcards: import_settings(
            *(IMPORTED_VALUES[wildcards.result][place] for place in (0, 2, 1))
        ),
        code=code("import_values.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/import_values.py" --table {params.table:q} --kind {params.kind:q} --dataset {input.dataset:q}'
        " --settings {params.settings:q} --output {output:q} --log {log:q}"
