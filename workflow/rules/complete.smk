# Completions of the evaluation sets by every run with a model.


def adapter_files(wildcards):
    """The files of a run's adapter; none for a base model."""
    run = RUNS[wildcards.run]
    if not run.has_adapter:
        return []
    if run.adapter and run.adapter.hub:
        return f"results/adapters/{run.name}/fetched.json"
    return [
        f"{adapter_folder(run.name)}/{file}"
        for file in ("adapter_model.safetensors", "adapter_config.json")
    ]


def adapter_option(wildcards):
    """The option with the folder of a run's adapter; empty for a base model."""
    return (
        f"--adapter {adapter_folder(wildcards.run)}"
        if RUNS[wildcards.run].has_adapter
        else ""
    )


@functools.cache
def completion_settings(run, evaluation_set):
    return settings(declared.completion_stage(CONFIG, RUNS[run], evaluation_set))


rule complete:
    """Completions of an evaluation set by a run's model."""
    input:
        base=base_files,
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
        base=lambda wildcards: base_folder(wildcards.run),
        adapter=adapter_option,
        settings=lambda wildcards: completion_settings(wildcards.run, wildcards.set),
        code=code("complete.py"),
    shell:
        "python scripts/on_gpus.py {resources.gpu} scripts/complete.py"
        " --base {params.base:q} {params.adapter} --dataset {input.dataset}"
        " --settings {params.settings:q} --shards results/shards/completions/{wildcards.set}/{wildcards.run}"
        " --output {output} --log {log}"
