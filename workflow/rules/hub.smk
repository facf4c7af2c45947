# Publishing on the hub, only by `snakemake push` or by the name of a receipt; no other target needs these files.

from feyntune.hub import names as published
from feyntune.hub.reference_tables import kinds_beside

TABLE_KINDS = ("completions", "perplexity", *CONFIG.metrics)
CARD = "results/hub/cards/{run}"
REFERENCE_TABLE = "results/hub/tables/{set}/{table}"


def card_settings(wildcards):
    """The settings of a card."""
    return stage_settings(published.card_stage, RUNS[wildcards.run])


def runs_in_table(kind, evaluation_set):
    """The runs with results of this kind on a set."""
    return [RUNS[run] for run in judged_on(evaluation_set, judged_runs(kind))]


def table_settings(wildcards):
    """The settings of a reference table."""
    return stage_settings(
        published.reference_stage,
        runs_in_table(wildcards.table, wildcards.set),
        wildcards.table,
        wildcards.set,
    )


def results_in_table(wildcards):
    """The results in a reference table."""
    return [
        f"results/{kind}/{wildcards.set}/{run.name}.parquet"
        for kind in kinds_beside(wildcards.table)
        for run in runs_in_table(wildcards.table, wildcards.set)
    ]


@functools.cache
def check_push(merged):
    """End the plan of any push in one line if two models or two tables have the same repository."""
    kinds = [kind for kind in TABLE_KINDS if judged_runs(kind)]
    tuned = [RUNS[run] for run in TRAINED + PUBLISHED]
    try:
        published.check_repositories(CONFIG, tuned, kinds, COMPLETED, merged)
    except FeynTuneError as error:
        sys.exit(str(error))


def push_settings(kind, repository, merged=CONFIG.hub.push_merged):
    """The settings of a push, by its wildcards."""

    def of_wildcards(wildcards):
        check_push(merged)
        return stage_settings(
            lambda configuration: published.push_stage(
                configuration, kind, repository(configuration, wildcards)
            )
        )

    return of_wildcards


RECEIPTS = [
    *expand("results/hub/{run}.json", run=TRAINED),
    *expand(
        "results/hub/merged/{run}.json",
        run=WITH_ADAPTER if CONFIG.hub.push_merged else [],
    ),
    *expand(
        f"{REFERENCE_TABLE}.json",
        set=COMPLETED,
        table=[table for table in TABLE_KINDS if judged_runs(table)],
    ),
]


rule push:
    """Push what all runs have trained, a table of each kind of result and, if configured, merged models."""
    input:
        RECEIPTS,
    localrule: True


rule model_card:
    """Write the card of an adapter, with its figure."""
    input:
        config="results/adapters/{run}/adapter_config.json",
        record="results/adapters/{run}/run.json",
        history="results/adapters/{run}/history.parquet",
        base=base_files,
        dataset=lambda wildcards: f"results/datasets/{RUNS[wildcards.run].dataset}/summary.json",
        tables=expand(
            "results/tables/{table}.{format}",
            table=["summary", "comparisons"],
            format=["csv", "html"],
        ),
    output:
        card=f"{CARD}/README.md",
        figure=f"{CARD}/learning_curve.png",
        config=f"{CARD}/adapter_config.json",
        record=f"{CARD}/run.json",
    log:
        "results/logs/hub/cards/{run}.log",
    wildcard_constraints:
        run=one_of_runs(ADAPTED),
    localrule: True
    params:
        base=lambda wildcards: base_folder(wildcards.run),
        settings=card_settings,
        code=code("model_card.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/model_card.py" --trained "$(dirname {input.record:q})" --base {params.base:q}'
        " --dataset {input.dataset:q} --tables results/tables --settings {params.settings:q}"
        " --output-folder results/hub/cards/{wildcards.run:q} --log {log:q}"


use rule model_card as full_model_card with:
    input:
        record="results/full/{run}/run.json",
        history="results/full/{run}/history.parquet",
        base=base_files,
        dataset=rules.model_card.input.dataset,
        tables=rules.model_card.input.tables,
    output:
        card=f"{CARD}/README.md",
        figure=f"{CARD}/learning_curve.png",
        record=f"{CARD}/run.json",
    wildcard_constraints:
        run=one_of_runs(FULL),


rule reference_table:
    """Write the results of all runs on an evaluation set in the reference's schema."""
    input:
        results=results_in_table,
        dataset="results/evaluation_sets/{set}.parquet",
    output:
        table=f"{REFERENCE_TABLE}.parquet",
        card=f"{REFERENCE_TABLE}.md",
    log:
        "results/logs/hub/tables/{set}/{table}.log",
    wildcard_constraints:
        table=one_of(TABLE_KINDS),
    localrule: True
    params:
        settings=table_settings,
        code=code("reference_table.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/reference_table.py" --dataset {input.dataset:q} --results results --settings {params.settings:q}'
        " --output {output.table:q} --card {output.card:q} --log {log:q}"


rule push_adapter:
    """Push an adapter with its record, history, card and figure."""
    input:
        weights="results/adapters/{run}/adapter_model.safetensors",
        config=f"{CARD}/adapter_config.json",
        record=f"{CARD}/run.json",
        history="results/adapters/{run}/history.parquet",
        card=f"{CARD}/README.md",
        figure=f"{CARD}/learning_curve.png",
    output:
        "results/hub/{run}.json",
    log:
        "results/logs/hub/{run}.log",
    wildcard_constraints:
        run=one_of_runs(ADAPTED),
    localrule: True
    params:
        settings=push_settings(
            "model",
            lambda configuration, wildcards: published.adapter_repository(
                configuration, RUNS[wildcards.run]
            ),
        ),
    shell:
        'HF_HUB_OFFLINE=0 python "$FEYNTUNE_SCRIPTS/push.py" --files adapter_model.safetensors={input.weights:q}'
        " adapter_config.json={input.config:q} run.json={input.record:q} history.parquet={input.history:q}"
        " README.md={input.card:q} learning_curve.png={input.figure:q} --rule push_adapter"
        " --settings {params.settings:q} --receipt {output:q} --log {log:q}"


rule push_full:
    """Push a model of which all weights were trained: its folder, card and figure."""
    input:
        weights="results/full/{run}/model.safetensors",
        config="results/full/{run}/config.json",
        history="results/full/{run}/history.parquet",
        record=f"{CARD}/run.json",
        card=f"{CARD}/README.md",
        figure=f"{CARD}/learning_curve.png",
    output:
        "results/hub/{run}.json",
    log:
        "results/logs/hub/{run}.log",
    wildcard_constraints:
        run=one_of_runs(FULL),
    localrule: True
    params:
        settings=rules.push_adapter.params.settings,
    shell:
        'HF_HUB_OFFLINE=0 python "$FEYNTUNE_SCRIPTS/push.py" --folder "$(dirname {input.weights:q})"'
        " --files run.json={input.record:q} README.md={input.card:q} learning_curve.png={input.figure:q} --rule push_full"
        " --settings {params.settings:q} --receipt {output:q} --log {log:q}"


rule push_merged:
    """Push a merged model: all files of its folder."""
    input:
        weights="results/merged/{run}/weights.json",
        config="results/merged/{run}/config.json",
        card="results/merged/{run}/README.md",
    output:
        "results/hub/merged/{run}.json",
    log:
        "results/logs/hub/merged/{run}.log",
    wildcard_constraints:
        run=one_of_runs(WITH_ADAPTER),
    localrule: True
    params:
        settings=push_settings(
            "model",
            lambda configuration, wildcards: published.merged_repository(
                configuration, RUNS[wildcards.run]
            ),
            merged=True,
        ),
    shell:
        'HF_HUB_OFFLINE=0 python "$FEYNTUNE_SCRIPTS/push.py" --folder results/merged/{wildcards.run:q} --rule push_merged'
        " --settings {params.settings:q} --receipt {output:q} --log {log:q}"


rule push_table:
    """Push a table with its card."""
    input:
        table=f"{REFERENCE_TABLE}.parquet",
        card=f"{REFERENCE_TABLE}.md",
    output:
        f"{REFERENCE_TABLE}.json",
    log:
        "results/logs/hub/push/{set}/{table}.log",
    wildcard_constraints:
        table=one_of(TABLE_KINDS),
    localrule: True
    params:
        split=lambda wildcards: CONFIG.evaluation_sets[wildcards.set].hub_split,
        settings=push_settings(
            "dataset",
            lambda configuration, wildcards: published.table_repository(
                configuration, wildcards.table, wildcards.set
            ),
        ),
    shell:
        'HF_HUB_OFFLINE=0 python "$FEYNTUNE_SCRIPTS/push.py"'
        " --files data/{params.split:q}-00000-of-00001.parquet={input.table:q} README.md={input.card:q}"
        " --rule push_table --settings {params.settings:q} --receipt {output:q} --log {log:q}"
