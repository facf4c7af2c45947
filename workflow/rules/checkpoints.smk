# The adapters at the evaluation steps of trainings, evaluated on samples, where the configuration asks for it.

from feyntune.config import checkpoints as learning


def sets_of(run):
    """The evaluation sets on which a run is evaluated."""
    return [name for name in CONFIG.evaluation_sets if RUNS[run].is_judged_on(name)]


@functools.cache
def checkpoints_settings(run):
    return learning.checkpoints_stage(CONFIG, RUNS[run])


def judging_files(wildcards):
    """The files of the models of all metrics that have one."""
    return [file for name in WITH_METRIC_MODEL for file in model_files("metrics", name)]


def learned_split(wildcards):
    """The training split of a run, if any metric needs it."""
    kinds = [registry.metric_class(entry.kind) for entry in CONFIG.metrics.values()]
    if not any(kind.needs_training for kind in kinds):
        return []
    return training_file(RUNS[wildcards.run].dataset)


rule checkpoints:
    """Perplexity and metrics of a run's adapter at every evaluation step, on samples."""
    input:
        base=lambda wildcards: evaluated_files(
            wildcards.run, checkpoints_settings(wildcards.run)
        ),
        archive=ARCHIVE,
        record="results/adapters/{run}/run.json",
        validation=validation_split,
        sets=lambda wildcards: expand(
            "results/evaluation_sets/{set}.parquet", set=sets_of(wildcards.run)
        ),
        models=judging_files,
        training=learned_split,
    output:
        "results/checkpoints/{run}.parquet",
    log:
        "results/logs/checkpoints/{run}.log",
    benchmark:
        "results/costs/checkpoints/{run}.tsv"
    wildcard_constraints:
        run=one_of_runs(ADAPTED if CONFIG.evaluation.checkpoints else []),
    threads: threads_of("complete")
    resources:
        **request("complete"),
    params:
        base=lambda wildcards: evaluated_folder(
            wildcards.run, checkpoints_settings(wildcards.run)
        ),
        sets=lambda wildcards: [
            f"{name}=results/evaluation_sets/{name}.parquet"
            for name in sets_of(wildcards.run)
        ],
        models=lambda wildcards: [
            f"{name}={model_folder('metrics', name)}" for name in WITH_METRIC_MODEL
        ],
        training=training_option,
        settings=lambda wildcards: settings(checkpoints_settings(wildcards.run)),
        code=code(
            "checkpoints.py",
            *sorted(
                {registry.module_file(entry.kind) for entry in CONFIG.metrics.values()}
            ),
        ),
    shell:
        'python "$FEYNTUNE_SCRIPTS/on_gpus.py" {resources.gpu} "$FEYNTUNE_SCRIPTS/checkpoints.py"'
        " --base {params.base:q} --archive {input.archive} --record {input.record} --validation {input.validation}"
        " --sets {params.sets:q} --models {params.models:q} {params.training} --settings {params.settings:q}"
        " --shards results/shards/checkpoints/{wildcards.run} --kept results/kept/checkpoints/{wildcards.run}"
        " --mem-mb {resources.mem_mb} --output {output} --log {log}"
