# `snakemake check`: is this machine, and this cluster, fit for the configuration? Nothing depends on it.

import time

from feyntune.core.schema import Source

from feyntune.config.schema.check import CheckStage, CheckedFolder, SlurmRequest

GPU_STAGES = ("train", "complete", "perplexity", "metrics")


def checked_folders():
    """Models, metric models and adapters of the configuration."""
    for registry in ("models", "metrics"):
        for name, entry in getattr(CONFIG, registry).items():
            if isinstance(entry, Source):  # metrics without a model have no files
                yield CheckedFolder(
                    place=f"{registry}.{name}",
                    folder=model_folder(registry, name),
                    hub=entry.hub,
                    revision=entry.revision,
                )
    for run in PUBLISHED:
        adapter = RUNS[run].adapter
        yield CheckedFolder(
            place=f"runs.{run}.adapter",
            folder=adapter_folder(run),
            hub=adapter.hub,
            revision=adapter.revision,
        )


def profile_resource(name):
    """A resource as the profile sets it for `check_compute` or by default; None if it does not."""
    settings = workflow.resource_settings
    for resources in (
        settings.overwrite_resources.get("check_compute", {}),
        settings.default_resources or {},
    ):
        if name in resources:
            resource = resources[name]
            return str(getattr(resource, "raw", resource)).strip("'\"")
    return None


def slurm_request():
    """What the profile asks from SLURM; None where jobs run on this machine."""
    if (
        profile_resource("slurm_partition") is None
        and profile_resource("nodes") is None
    ):
        return None
    return SlurmRequest(
        account=profile_resource("slurm_account"),
        partition=profile_resource("slurm_partition"),
        gpu_model=profile_resource("gpu_model"),
    )


def check_settings(wildcards):
    """What the checks are given."""
    requests = [getattr(CONFIG.resources, stage) for stage in GPU_STAGES]
    most_gpus = max(
        [stage.gpu for stage in requests]
        + [stages.gpus(CONFIG, RUNS[run]) for run in TRAINED]
    )
    per_gpu = CONFIG.resources.train.mem_mb * max(1, most_gpus)
    return settings(
        CheckStage(
            snapshots=CONFIG.snapshots,
            folders=list(checked_folders()),
            datasets={
                name: dataset.hub
                for name, dataset in CONFIG.datasets.items()
                if dataset.hub
            },
            wandb_online=CONFIG.tracking.wandb == "online",
            slurm=slurm_request(),
            gpu=most_gpus,
            mem_mb=int(min(per_gpu, most("mem_mb"))),
            runtime=int(min(max(stage.runtime for stage in requests), most("runtime"))),
            attention=CONFIG.precision.attention,
            quantization=CONFIG.quantization.method,
            vllm=any(
                completion_settings(run, evaluation_set).generation.engine == "vllm"
                for evaluation_set, run in itertools.product(COMPLETED, WITH_MODEL)
            ),
        )
    )


rule check:
    """Print whether this machine, and this cluster, are fit for the configuration."""
    input:
        login="results/check/login.json",
        compute="results/check/compute.json",
    localrule: True
    shell:
        'python "$FEYNTUNE_SCRIPTS/check_report.py" {input.login} {input.compute}'


rule check_login:
    """Check the machine where Snakemake runs: inputs, hub, SLURM, disk, file locks."""
    output:
        "results/check/login.json",
    log:
        "results/logs/check/login.log",
    localrule: True
    params:
        settings=check_settings,
        # The time makes every check a new one.
        now=time.time(),
    shell:
        'HF_HUB_OFFLINE=0 python "$FEYNTUNE_SCRIPTS/check_login.py" --settings {params.settings:q} --output {output} --log {log}'


rule check_compute:
    """Check the machine where jobs run: GPU, driver, numerics, speed."""
    output:
        "results/check/compute.json",
    log:
        "results/logs/check/compute.log",
    threads: threads_of("perplexity")
    resources:
        mem_mb=request("perplexity")["mem_mb"],
        runtime=20,
        gpu=lambda wildcards: min(1, CONFIG.resources.train.gpu),
    params:
        settings=check_settings,
        now=time.time(),
    shell:
        'python "$FEYNTUNE_SCRIPTS/on_gpus.py" {resources.gpu} "$FEYNTUNE_SCRIPTS/check_compute.py"'
        " --settings {params.settings:q} --output {output} --log {log}"
