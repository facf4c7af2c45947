# Completions of the evaluation sets by every run with a model.

from feyntune.evaluation.generation import engine_file


@functools.cache
def completion_settings(run, evaluation_set):
    return stages.completion_stage(CONFIG, RUNS[run], evaluation_set)


def completion_program(wildcards):
    """The program of a run's generation engine; vLLM's starts in an environment of its own."""
    engine = completion_settings(wildcards.run, wildcards.set).generation.engine
    return "complete_vllm.py" if engine == "vllm" else "complete.py"


def completion_code(wildcards):
    """The fingerprint of that program and of the engine, which it imports by name."""
    engine = completion_settings(wildcards.run, wildcards.set).generation.engine
    programs = {"complete.py", completion_program(wildcards)}
    return code(*sorted(programs), engine_file(engine))


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
        program=completion_program,
        code=completion_code,
    shell:
        'python "$FEYNTUNE_SCRIPTS/on_gpus.py" {resources.gpu} "$FEYNTUNE_SCRIPTS/{params.program}"'
        " --base {params.base:q} {params.adapter} --dataset {input.dataset}"
        " --settings {params.settings:q} --shards results/shards/completions/{wildcards.set}/{wildcards.run}"
        " --kept results/kept/complete/{wildcards.set}/{wildcards.run}"
        " --mem-mb {resources.mem_mb} --output {output} --log {log}"
