# Completions of the evaluation sets by every run with a model.


@functools.cache
def completion_settings(run, evaluation_set):
    return declared.completion_stage(CONFIG, RUNS[run], evaluation_set)


rule complete:
    """Completions of an evaluation set by a run's model."""
    input:
        base=lambda wildcards: evaluated_files(
            wildcards.run, completion_settings(wildcards.run, wildcards.set)
        ),
        adapter=adapter_files,
        dataset=lambda wildcards: split_of(wildcards.set),
    output:
        "results/completions/{set}/{run}.parquet",
    log:
        "results/logs/complete/{set}/{run}.log",
    benchmark:
        "results/costs/complete/{set}/{run}.tsv"
    wildcard_constraints:
        run=one_of_runs(WITH_MODEL),
    threads: threads_of("complete")
    resources:
        **request("complete"),
    params:
        base=lambda wildcards: evaluated_folder(
            wildcards.run, completion_settings(wildcards.run, wildcards.set)
        ),
        adapter=adapter_option,
        settings=lambda wildcards: settings(
            completion_settings(wildcards.run, wildcards.set)
        ),
        code=code("complete.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/on_gpus.py" {resources.gpu} "$FEYNTUNE_SCRIPTS/complete.py"'
        " --base {params.base:q} {params.adapter} --dataset {input.dataset}"
        " --settings {params.settings:q} --shards results/shards/completions/{wildcards.set}/{wildcards.run}"
        " --kept results/kept/complete/{wildcards.set}/{wildcards.run} --output {output} --log {log}"
