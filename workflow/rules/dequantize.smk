# Base models with dequantised weights, and models with an adapter merged into them, as ordinary model folders.

import shlex

from feyntune.config import folders
from feyntune.config.schema.evaluated import DequantizeStage
from feyntune.config.schema.models import Precision, Quantization

WITH_ADAPTER = ADAPTED + PUBLISHED


def adapter_files(wildcards):
    """The files of a run's adapter; none for a base model."""
    run = RUNS[wildcards.run]
    if not run.has_adapter:
        return []
    if run.adapter and run.adapter.hub:
        return f"results/adapters/{run.name}/fetched.json"
    return [
        must_exist(
            f"{adapter_folder(run.name)}/{file}",
            f"$.runs.{run.name}.adapter.path",
            "name the folder of a PEFT adapter",
        )
        for file in ("adapter_model.safetensors", "adapter_config.json")
    ]


def adapter_option(wildcards):
    """The option with the folder of a run's adapter; empty for a base model."""
    return (
        shlex.join(["--adapter", adapter_folder(wildcards.run)])
        if RUNS[wildcards.run].has_adapter
        else ""
    )


def evaluated_folder(run, stage):
    """The model folder that an evaluation loads."""
    if stage.weights == "quantised":
        return folders.run_model_folder(CONFIG, RUNS[run])
    return folders.dequantised_folder(RUNS[run].model, stage)


def evaluated_files(run, stage):
    """The files of that folder on which the evaluation depends: all weights, or a file with the digests of them."""
    if run in FULL:
        folder = folders.trained_folder(RUNS[run])
        return [f"{folder}/model.safetensors", f"{folder}/config.json"]
    if stage.weights == "quantised":
        return model_files("models", RUNS[run].model)
    folder = evaluated_folder(run, stage)
    return [f"{folder}/weights.json", f"{folder}/config.json"]


def dequantize_settings(wildcards):
    """Settings of a dequantised base model, from the name of its folder."""
    method, *double, dtype = wildcards.storage.split("-")
    stage = DequantizeStage(
        quantization=Quantization(method=method, double=bool(double)),
        precision=Precision(dtype=dtype),
        base_names=stages.base_names(CONFIG, wildcards.model),
    )
    return settings(stage)


def merge_settings(wildcards):
    """Settings of a merged model."""
    return stage_settings(stages.merge_stage, RUNS[wildcards.run])


rule dequantize:
    """A base model's weights as the 16-bit or 32-bit numbers that training multiplies with."""
    input:
        lambda wildcards: model_files("models", wildcards.model),
    output:
        digests="results/models/{model}.{storage}/weights.json",
        config="results/models/{model}.{storage}/config.json",
    log:
        "results/logs/dequantize/{model}.{storage}.log",
    benchmark:
        "results/costs/dequantize/{model}.{storage}.tsv"
    wildcard_constraints:
        storage="(nf4|fp4)(-double)?-(bfloat16|float16|float32)",
    threads: threads_of("complete")
    resources:
        **request("complete"),
    params:
        base=lambda wildcards: model_folder("models", wildcards.model),
        settings=dequantize_settings,
        code=code("dequantize.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/on_gpus.py" {resources.gpu} "$FEYNTUNE_SCRIPTS/dequantize.py" --base {params.base:q}'
        " --settings {params.settings:q} --output results/models/{wildcards.model}.{wildcards.storage} --log {log}"


rule merge:
    """A run's base model and adapter as one ordinary model folder."""
    input:
        base=base_files,
        adapter=adapter_files,
    output:
        digests="results/merged/{run}/weights.json",
        config="results/merged/{run}/config.json",
    log:
        "results/logs/merge/{run}.log",
    benchmark:
        "results/costs/merge/{run}.tsv"
    wildcard_constraints:
        run=one_of_runs(WITH_ADAPTER + FULL),
    threads: threads_of("complete")
    resources:
        **request("complete"),
    params:
        base=lambda wildcards: base_folder(wildcards.run),
        adapter=adapter_option,
        settings=merge_settings,
        code=code("dequantize.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/on_gpus.py" {resources.gpu} "$FEYNTUNE_SCRIPTS/dequantize.py" --base {params.base:q} {params.adapter}'
        " --settings {params.settings:q} --output results/merged/{wildcards.run} --log {log}"
