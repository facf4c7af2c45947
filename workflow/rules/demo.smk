# The material of the embedded default: a made-up snapshot, a small model pretrained on it, and small metrics.
# Other rules know of it only that these files are where the configuration says.

from feyntune.demo.model import FILES as MODEL_FILES
from feyntune.demo.metric_model import FILES as METRIC_MODEL_FILES

DEMO_FOLDERS = {"results/demo/model": MODEL_FILES}
DEMO_FOLDERS |= {
    f"results/demo/metrics/{name}": METRIC_MODEL_FILES for name in CONFIG.demo.metrics
}


rule demo_snapshot:
    """Write the synthetic snapshot of the embedded default."""
    output:
        "results/demo/snapshot.jsonl",
    log:
        "results/logs/demo/snapshot.log",
    params:
        settings=settings(CONFIG.demo.snapshot),
        controls=CONFIG.control_papers,
        code=code("demo_snapshot.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/demo_snapshot.py" --settings {params.settings:q} --control-papers {params.controls:q}'
        " --output {output} --log {log}"


rule demo_model:
    """Pretrain the small language model of the embedded default."""
    input:
        "results/demo/snapshot.jsonl",
    output:
        expand("results/demo/model/{file}", file=MODEL_FILES),
    log:
        "results/logs/demo/model.log",
    benchmark:
        "results/costs/demo_model.tsv"
    resources:
        mem_mb=2000,
    params:
        settings=settings(CONFIG.demo.model),
        code=code("demo_model.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/demo_model.py" --snapshot {input} --settings {params.settings:q}'
        " --output results/demo/model --log {log}"


rule demo_metric_model:
    """Fit a small sentence-embedding model for the embedded default."""
    input:
        "results/demo/snapshot.jsonl",
    output:
        expand("results/demo/metrics/{{name}}/{file}", file=METRIC_MODEL_FILES),
    log:
        "results/logs/demo/metrics/{name}.log",
    wildcard_constraints:
        name=one_of(CONFIG.demo.metrics),
    resources:
        mem_mb=2000,
    params:
        settings=lambda wildcards: settings(CONFIG.demo.metrics[wildcards.name]),
        code=code("demo_metric_model.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/demo_metric_model.py" --snapshot {input} --settings {params.settings:q}'
        " --output results/demo/metrics/{wildcards.name} --log {log}"
