# Completions, perplexities and scores that were made elsewhere, as those of a run.


def import_folder(run, kind):
    """Where a table of the hub is linked to."""
    return f"results/imports/{run}/{kind}"


def imported_table(run, kind):
    """The table that a run's results of a kind are taken from: a local file, or a folder with the hub's."""
    source = RUNS[run].imports[kind]
    return source.path or f"{import_folder(run, kind)}/source"


def imported_files(run, kind):
    """What a job waits for: a local file, or the receipt of the hub's."""
    source = RUNS[run].imports[kind]
    return source.path or f"{import_folder(run, kind)}/fetched.json"


def import_settings(run, evaluation_set, kind):
    """What is taken of a table."""
    return settings(declared.import_stage(CONFIG, RUNS[run], evaluation_set, kind))


IMPORTS = [(run, kind) for run in IMPORTED for kind in RUNS[run].imports]
# Results that are imported and that the rules for models or metrics could make as well.
SCORES_FROM_ELSEWHERE = {
    f"{kind}/{evaluation_set}/{run}": (run, kind, evaluation_set)
    for run, kind in IMPORTS
    if kind != "completions"
    for evaluation_set in CONFIG.evaluation_sets
}


ruleorder: import_scores > semscore


rule import_completions:
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
        "python scripts/import_completions.py --table {params.table:q} --dataset {input.dataset}"
        " --settings {params.settings:q} --output {output} --log {log}"


rule import_scores:
    input:
        table=lambda wildcards: imported_files(
            *SCORES_FROM_ELSEWHERE[wildcards.result][:2]
        ),
        dataset=lambda wildcards: split_of(SCORES_FROM_ELSEWHERE[wildcards.result][2]),
    output:
        "results/{result}.parquet",
    log:
        "results/logs/import_scores/{result}.log",
    wildcard_constraints:
        result=one_of(SCORES_FROM_ELSEWHERE),
    resources:
        **request("summarise"),
    params:
        table=lambda wildcards: imported_table(
            *SCORES_FROM_ELSEWHERE[wildcards.result][:2]
        ),
        kind=lambda wildcards: SCORES_FROM_ELSEWHERE[wildcards.result][1],
        settings=lambda wildcards: import_settings(
            *(SCORES_FROM_ELSEWHERE[wildcards.result][place] for place in (0, 2, 1))
        ),
        code=code("import_scores.py"),
    shell:
        "python scripts/import_scores.py --table {params.table:q} --kind {params.kind} --dataset {input.dataset}"
        " --settings {params.settings:q} --output {output} --log {log}"
