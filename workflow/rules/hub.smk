# Publishing on the hub, when `snakemake push` or a receipt is asked for by name; nothing else asks for these files.

from feyntune.hub import names as published
from feyntune.hub.reference_tables import kinds_beside

WIDE_TABLES = ("completions", "perplexity", *CONFIG.metrics)
CARD = "results/hub/cards/{run}"
WIDE_TABLE = "results/hub/tables/{set}/{table}"


def told(make, *values):
    """What `make` makes of the configuration and these values; a fault of it ends the plan in one line."""
    try:
        return settings(make(CONFIG, *values))
    except FeynTuneError as error:
        sys.exit(str(error))


def card_settings(wildcards):
    """What decides a card."""
    return told(published.card_stage, RUNS[wildcards.run])


def widened_runs(kind):
    """The runs that have results of this kind to stand in a wide table."""
    return [run for run in RUNS.values() if run.name in judged_runs(kind)]


def wide_settings(wildcards):
    """What decides a wide table."""
    return told(
        published.wide_stage,
        widened_runs(wildcards.table),
        wildcards.table,
        wildcards.set,
    )


def widened_files(wildcards):
    """The results in a wide table."""
    return [
        f"results/{kind}/{wildcards.set}/{run.name}.parquet"
        for kind in kinds_beside(wildcards.table)
        for run in widened_runs(wildcards.table)
    ]


def push_settings(kind, repository):
    """What a push is given."""
    return lambda wildcards: told(
        lambda configuration: published.push_stage(
            configuration, kind, repository(configuration, wildcards)
        )
    )


RECEIPTS = [
    *expand("results/hub/{run}.json", run=TRAINED),
    *expand(
        f"{WIDE_TABLE}.json",
        set=CONFIG.evaluation_sets,
        table=[table for table in WIDE_TABLES if judged_runs(table)],
    ),
]


localrules:
    push,
    model_card,
    wide_table,
    push_adapter,
    push_table,


rule push:
    input:
        RECEIPTS,


rule model_card:
    input:
        record="results/adapters/{run}/run.json",
        history="results/adapters/{run}/history.parquet",
        base=base_files,
        dataset=lambda wildcards: f"results/datasets/{RUNS[wildcards.run].dataset}/summary.json",
        tables=expand("results/tables/{table}.csv", table=["summary", "comparisons"]),
    output:
        card=f"{CARD}/README.md",
        figure=f"{CARD}/learning_curve.png",
    log:
        "results/logs/hub/cards/{run}.log",
    wildcard_constraints:
        run=one_of_runs(TRAINED),
    params:
        base=lambda wildcards: base_folder(wildcards.run),
        settings=card_settings,
        code=code("model_card.py"),
    shell:
        "python scripts/model_card.py --adapter results/adapters/{wildcards.run} --base {params.base:q}"
        " --dataset {input.dataset} --tables results/tables --settings {params.settings:q}"
        " --output-folder results/hub/cards/{wildcards.run} --log {log}"


rule wide_table:
    input:
        results=widened_files,
        dataset="results/evaluation_sets/{set}.parquet",
    output:
        table=f"{WIDE_TABLE}.parquet",
        card=f"{WIDE_TABLE}.md",
    log:
        "results/logs/hub/tables/{set}/{table}.log",
    wildcard_constraints:
        table=one_of(WIDE_TABLES),
    params:
        settings=wide_settings,
        code=code("wide_table.py"),
    shell:
        "python scripts/wide_table.py --dataset {input.dataset} --results results --settings {params.settings:q}"
        " --output {output.table} --card {output.card} --log {log}"


rule push_adapter:
    input:
        weights="results/adapters/{run}/adapter_model.safetensors",
        config="results/adapters/{run}/adapter_config.json",
        record="results/adapters/{run}/run.json",
        history="results/adapters/{run}/history.parquet",
        card=f"{CARD}/README.md",
        figure=f"{CARD}/learning_curve.png",
    output:
        "results/hub/{run}.json",
    log:
        "results/logs/hub/{run}.log",
    wildcard_constraints:
        run=one_of_runs(TRAINED),
    params:
        settings=push_settings(
            "model",
            lambda configuration, wildcards: published.adapter_repository(
                configuration, RUNS[wildcards.run]
            ),
        ),
    shell:
        "HF_HUB_OFFLINE=0 python scripts/push.py --files adapter_model.safetensors={input.weights}"
        " adapter_config.json={input.config} run.json={input.record} history.parquet={input.history}"
        " README.md={input.card} learning_curve.png={input.figure} --rule push_adapter"
        " --settings {params.settings:q} --receipt {output} --log {log}"


rule push_table:
    input:
        table=f"{WIDE_TABLE}.parquet",
        card=f"{WIDE_TABLE}.md",
    output:
        f"{WIDE_TABLE}.json",
    log:
        "results/logs/hub/push/{set}/{table}.log",
    wildcard_constraints:
        table=one_of(WIDE_TABLES),
    params:
        split=lambda wildcards: CONFIG.evaluation_sets[wildcards.set].hub_split,
        settings=push_settings(
            "dataset",
            lambda configuration, wildcards: published.table_repository(
                configuration, wildcards.table, wildcards.set
            ),
        ),
    shell:
        "HF_HUB_OFFLINE=0 python scripts/push.py"
        " --files data/{params.split}-00000-of-00001.parquet={input.table} README.md={input.card}"
        " --rule push_table --settings {params.settings:q} --receipt {output} --log {log}"
