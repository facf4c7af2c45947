# Every metric of the configuration on every run's completions. Kinds of metrics are in scripts/feyntune/evaluation/metrics/.

from feyntune.evaluation import metrics as registry

WITH_METRIC_MODEL = [
    name for name, entry in CONFIG.metrics.items() if registry.has_model(entry)
]
WITHOUT_METRIC_MODEL = [
    name for name in CONFIG.metrics if name not in WITH_METRIC_MODEL
]
PREPARED = [
    name
    for name, entry in CONFIG.metrics.items()
    if registry.metric_class(entry.kind).prepares
]


def metric_code(program, name):
    """Fingerprint of a program and of the metric's kind, which the program imports by name."""
    return code(program, registry.module_file(CONFIG.metrics[name].kind))


def metric_model_files(wildcards):
    """The files of a metric's model, if it has one."""
    if wildcards.metric in WITH_METRIC_MODEL:
        return model_files("metrics", wildcards.metric)
    return []


def metric_model_option(wildcards):
    """The program's option for the folder of a metric's model."""
    if wildcards.metric in WITH_METRIC_MODEL:
        return f"--model {shlex.quote(model_folder('metrics', wildcards.metric))}"
    return ""


def reference_file(wildcards):
    """What a metric prepared for an evaluation set, if it prepares."""
    if wildcards.metric in PREPARED:
        return f"results/references/{wildcards.metric}/{wildcards.set}.safetensors"
    return []


def training_split(wildcards):
    """The training split of a run, for a metric that needs it; runs without one have no values."""
    run, kind = RUNS[wildcards.run], CONFIG.metrics[wildcards.metric].kind
    if not registry.metric_class(kind).needs_training or not run.dataset:
        return []
    if run.kind == "trained":
        return training_file(run.dataset)
    return f"results/datasets/{run.dataset}/train.parquet"


def training_option(wildcards, input):
    """The program's option for it."""
    return f"--training {input.training}" if input.training else ""


def reference_option(wildcards, input):
    """The program's option for it."""
    return f"--reference {input.reference}" if wildcards.metric in PREPARED else ""


rule prepare_metric:
    """Prepare a metric for an evaluation set, once for all runs."""
    input:
        model=metric_model_files,
        dataset=lambda wildcards: split_of(wildcards.set),
    output:
        "results/references/{metric}/{set}.safetensors",
    log:
        "results/logs/prepare_metric/{metric}/{set}.log",
    benchmark:
        "results/costs/prepare_metric/{metric}/{set}.tsv"
    wildcard_constraints:
        metric=one_of(name for name in PREPARED if name in WITH_METRIC_MODEL),
    threads: threads_of("metrics")
    resources:
        **request("metrics"),
    params:
        model=metric_model_option,
        settings=lambda wildcards: settings(
            stages.preparation_stage(CONFIG, wildcards.metric, wildcards.set)
        ),
        code=lambda wildcards: metric_code("prepare_metric.py", wildcards.metric),
    shell:
        'python "$FEYNTUNE_SCRIPTS/on_gpus.py" {resources.gpu} "$FEYNTUNE_SCRIPTS/prepare_metric.py"'
        " --dataset {input.dataset} {params.model}"
        " --settings {params.settings:q} --output {output} --log {log}"


rule metric:
    """Judge one run's completions with a metric that has a model."""
    input:
        model=metric_model_files,
        reference=reference_file,
        completions="results/completions/{set}/{run}.parquet",
        training=training_split,
    output:
        "results/{metric}/{set}/{run}.parquet",
    log:
        "results/logs/metric/{metric}/{set}/{run}.log",
    benchmark:
        "results/costs/metric/{metric}/{set}/{run}.tsv"
    wildcard_constraints:
        metric=one_of(WITH_METRIC_MODEL),
    threads: threads_of("metrics")
    resources:
        **request("metrics"),
    params:
        model=metric_model_option,
        reference=reference_option,
        training=training_option,
        settings=lambda wildcards: settings(
            stages.metric_stage(CONFIG, wildcards.metric)
        ),
        code=lambda wildcards: metric_code("metric.py", wildcards.metric),
    shell:
        'python "$FEYNTUNE_SCRIPTS/on_gpus.py" {resources.gpu} "$FEYNTUNE_SCRIPTS/metric.py"'
        " --completions {input.completions} {params.reference} {params.training} {params.model}"
        " --settings {params.settings:q} --output {output} --log {log}"


# Rules of their own, because profiles name the GPU model of a rule's jobs, and a job without a GPU must not name one.
use rule prepare_metric as prepare_cpu_metric with:
    log:
        "results/logs/prepare_cpu_metric/{metric}/{set}.log",
    benchmark:
        "results/costs/prepare_cpu_metric/{metric}/{set}.tsv"
    wildcard_constraints:
        metric=one_of(name for name in PREPARED if name not in WITH_METRIC_MODEL),
    resources:
        **{**request("metrics"), "gpu": 0},


use rule metric as cpu_metric with:
    log:
        "results/logs/cpu_metric/{metric}/{set}/{run}.log",
    benchmark:
        "results/costs/cpu_metric/{metric}/{set}/{run}.tsv"
    wildcard_constraints:
        metric=one_of(WITHOUT_METRIC_MODEL),
    resources:
        **{**request("metrics"), "gpu": 0},


rule check_metrics:
    """Fail if a metric could not be computed, after the report was made without it."""
    input:
        report="results/report.html",
        metrics=[f"results/{name}/all.parquet" for name in CONFIG.metrics],
        checkpoints=lambda wildcards: CHECKPOINTS,
    output:
        "results/metrics_complete.json",
    log:
        "results/logs/check_metrics.log",
    resources:
        **request("summarise"),
    params:
        code=code("check_metrics.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/check_metrics.py" --metrics {input.metrics} --checkpoints {input.checkpoints} --results results --output {output} --log {log}'
