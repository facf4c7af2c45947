# Merged models with their cards: ordinary model folders for other programs.

from feyntune.hub import names as published


def merged_card_settings(wildcards):
    """The settings of a merged model's card."""
    return stage_settings(published.merged_card_stage, RUNS[wildcards.run])


def tables_of_card(wildcards):
    """The tables of results, if there are any: to merge and try a model, nothing needs to be evaluated."""
    tables = expand("results/tables/summary.{format}", format=["csv", "html"])
    is_wanted = CONFIG.hub.push_merged or all(map(os.path.isfile, tables))
    return tables if is_wanted else []


def merged_models(wildcards):
    """The cards of all merged models; one of a run without an adapter, whose rule says so, if there is no other."""
    return expand("results/merged/{run}/README.md", run=WITH_ADAPTER or FULL)


rule merged:
    """Merge the adapter of every run into its base model; no other target needs this."""
    input:
        merged_models,
    localrule: True


rule merged_card:
    """Write the card of a merged model into its folder."""
    input:
        base=base_files,
        weights="results/merged/{run}/weights.json",
        tables=tables_of_card,
    output:
        "results/merged/{run}/README.md",
    log:
        "results/logs/merged_card/{run}.log",
    wildcard_constraints:
        run=one_of_runs(WITH_ADAPTER + FULL),
    localrule: True
    params:
        base=lambda wildcards: base_folder(wildcards.run),
        settings=merged_card_settings,
        tables=lambda wildcards, input: (
            "--tables results/tables" if input.tables else ""
        ),
        code=code("merged_card.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/merged_card.py" --base {params.base:q} --settings {params.settings:q}'
        " {params.tables} --folder results/merged/{wildcards.run:q} --log {log:q}"
