# One adapter for each trained run, or one model for each run that trains all weights.

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


def validation_split(wildcards):
    """The validation split of a run's dataset."""
    return f"results/datasets/{RUNS[wildcards.run].dataset}/validation.parquet"


def validation_file(wildcards):
    """The validation split of a run that chooses the best step by it; no other training reads one."""
    stage = stages.training_stage(CONFIG, RUNS[wildcards.run])
    if stage.training.keep == "last":
        return []
    return validation_split(wildcards)


def validation_option(wildcards, input):
    """The program's option for it."""
    return f"--validation {input.validation}" if input.validation else ""


def archive_option(wildcards, threads):
    """The program's option for the adapters at all evaluation steps. They are an output of their own, and leave the
    others as they are; so the option is no parameter that Snakemake compares."""
    is_wanted = CONFIG.evaluation.checkpoints and not RUNS[wildcards.run].is_full
    return f"--archive {ARCHIVE.format(run=wildcards.run)}" if is_wanted else ""


def kept_folder(wildcards, threads):
    """Where the finished results of a training are kept; no parameter that Snakemake compares."""
    return f"results/kept/{RUNS[wildcards.run].training_job}"


ARCHIVE = "results/adapters/{run}/checkpoints.zip"


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
        sys.exit(1)  # the program has said why


rule train:
    """Train the adapter of a run."""
    input:
        base=training_base_files,
        train=lambda wildcards: training_file(RUNS[wildcards.run].dataset),
        test=lambda wildcards: f"results/datasets/{RUNS[wildcards.run].dataset}/test.parquet",
        control_prompts=lambda wildcards: control_prompt_file(
            RUNS[wildcards.run].dataset
        ),
        validation=validation_file,
    output:
        # The adapters at all evaluation steps, where they are evaluated.
        **({"archive": ARCHIVE} if CONFIG.evaluation.checkpoints else {}),
        weights="results/adapters/{run}/adapter_model.safetensors",
        config="results/adapters/{run}/adapter_config.json",
        record="results/adapters/{run}/run.json",
        history="results/adapters/{run}/history.parquet",
    log:
        "results/logs/train/{run}.log",
    benchmark:
        "results/costs/train/{run}.tsv"
    wildcard_constraints:
        run=one_of_runs(ADAPTED),
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
        validation=validation_option,
        archive=archive_option,
        kept=kept_folder,
        code=code("train.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/on_gpus.py" {resources.gpu} "$FEYNTUNE_SCRIPTS/train.py"'
        " --base {params.base:q} --base-names {params.names:q}"
        " --train {input.train} --test {input.test} --control-prompts {input.control_prompts} {params.validation}"
        " --settings {params.settings:q} {params.archive}"
        " --tracking {params.tracking:q} --gpus {resources.gpu} --time-limit {resources.runtime}"
        ' --checkpoints results/checkpoints/{wildcards.run} --output "$(dirname {output.weights})"'
        " --kept {params.kept} --log {log}"


use rule train as train_full with:
    output:
        weights="results/full/{run}/model.safetensors",
        config="results/full/{run}/config.json",
        record="results/full/{run}/run.json",
        history="results/full/{run}/history.parquet",
    log:
        "results/logs/train_full/{run}.log",
    benchmark:
        "results/costs/train_full/{run}.tsv"
    wildcard_constraints:
        run=one_of_runs(FULL),
