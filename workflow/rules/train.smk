# One adapter for each trained run.

import subprocess

from feyntune.core.files import write_json


def tracking(wildcards, threads):
    """How a training is tracked. It does not change the result: changing it reruns nothing.

    Snakemake does not compare a parameter that is made of threads or resources.
    """
    return settings(CONFIG.tracking)


def base_folder(run):
    """The folder of a run's base model."""
    return model_folder("models", RUNS[run].model)


def base_files(wildcards):
    """The files of a run's base model."""
    return model_files("models", RUNS[wildcards.run].model)


def gpus_of(wildcards):
    """Number of GPUs that train a run."""
    return stages.gpus(CONFIG, RUNS[wildcards.run])


@functools.cache
def training_settings(run):
    """The settings of a run's training, as JSON."""
    return settings(stages.training_stage(CONFIG, RUNS[run]))


# Runs whose trainings belong to the targets, stale or not. Snakemake calls the input functions of these jobs only.
REQUESTED_TRAININGS = set()


def training_base_files(wildcards):
    """The files of the base model of a training, which is noted as requested."""
    REQUESTED_TRAININGS.add(wildcards.run)
    return base_files(wildcards)


def planned_training(run):
    """A run's training, for `check_trainings.py`."""
    model = CONFIG.models[RUNS[run].model]
    return {
        "base": base_folder(run),
        "gpus": stages.gpus(CONFIG, RUNS[run]),
        "settings": training_settings(run),
        "repository": model.hub,
        "revision": model.revision,
    }


def check_trainings():
    """Refuse requested trainings that cannot run, before Snakemake deletes the adapters that they would replace.

    This is no job in front of `train`: Snakemake does not look whether the settings of a job changed if an `ancient`
    input of it is made again, and without `ancient` each check would train again.
    """
    if not REQUESTED_TRAININGS:
        return
    trainings = list(map(planned_training, sorted(REQUESTED_TRAININGS)))
    write_json("results/checks/trainings.json", {"trainings": trainings})
    command = ["python", PROJECT / "scripts/check_trainings.py"]
    command += ["--tracking", settings(CONFIG.tracking)]
    command += ["--trainings", "results/checks/trainings.json"]
    command += ["--record", "results/checks/passed.json"]
    done = subprocess.run([*command, "--log", "results/logs/check_trainings.log"])
    if done.returncode:
        raise WorkflowError("no job was started")


rule train:
    """Train the adapter of a run."""
    input:
        base=training_base_files,
        train=lambda wildcards: training_file(RUNS[wildcards.run].dataset),
        test=lambda wildcards: f"results/datasets/{RUNS[wildcards.run].dataset}/test.parquet",
        control_prompts=lambda wildcards: control_prompt_file(
            RUNS[wildcards.run].dataset
        ),
    output:
        weights="results/adapters/{run}/adapter_model.safetensors",
        config="results/adapters/{run}/adapter_config.json",
        record="results/adapters/{run}/run.json",
        history="results/adapters/{run}/history.parquet",
    log:
        "results/logs/train/{run}.log",
    benchmark:
        "results/costs/train/{run}.tsv"
    wildcard_constraints:
        run=one_of_runs(TRAINED),
    threads: lambda wildcards: threads_of("train") * max(1, gpus_of(wildcards))
    resources:
        **{
            **request("train", lambda wildcards: max(1, gpus_of(wildcards))),
            "gpu": gpus_of,
        },
    params:
        base=lambda wildcards: base_folder(wildcards.run),
        names=lambda wildcards: settings(
            stages.base_names(CONFIG, RUNS[wildcards.run].model)
        ),
        settings=lambda wildcards: training_settings(wildcards.run),
        tracking=tracking,
        code=code("train.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/on_gpus.py" {resources.gpu} "$FEYNTUNE_SCRIPTS/train.py"'
        " --base {params.base:q} --base-names {params.names:q}"
        " --train {input.train} --test {input.test} --control-prompts {input.control_prompts} --settings {params.settings:q}"
        " --tracking {params.tracking:q} --gpus {resources.gpu} --time-limit {resources.runtime}"
        " --checkpoints results/checkpoints/{wildcards.run} --output results/adapters/{wildcards.run}"
        " --kept results/kept/train/{wildcards.run} --log {log}"
