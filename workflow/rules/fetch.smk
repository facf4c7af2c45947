# Models, metrics, published adapters and datasets: local folders, or pinned revisions of the hub.

import shlex

from feyntune.config import folders


def model_folder(registry, name):
    """The folder of an entry of a registry (`models`, `metrics`)."""
    return folders.model_folder(CONFIG, registry, name)


def model_files(registry, name):
    """The files of an entry of a registry; for a repository of the hub its receipt, which has the hashes of all files."""
    folder = model_folder(registry, name)
    if getattr(CONFIG, registry)[name].hub:
        return f"{folder}/fetched.json"
    return files_in(folder, f"$.{registry}.{name}.path")


def adapter_folder(run):
    """The folder of a run's adapter: trained here, fetched, or named by the configuration."""
    return folders.adapter_folder(RUNS[run])


def must_exist(path, place, remedy):
    """The input for a file that the configuration names. End with one line if it is missing, and no rule makes it."""
    if path.startswith("results/"):
        return given(path)
    if not Path(path).exists():
        sys.exit(f"config: {place}: no such file: {path!r}; {remedy}")
    check_dates_of(place, [path])
    return given(path)


@functools.cache
def files_in(folder, place):
    """The files of a local model folder; for the embedded default those that the workflow will make."""
    if folder in DEMO_FOLDERS:
        return [f"{folder}/{file}" for file in DEMO_FOLDERS[folder]]
    files = [*Path(folder).rglob("*.json"), *Path(folder).rglob("*.safetensors")]
    if not files:
        sys.exit(
            f"config: {place}: no model files in {folder!r}; name a folder with config.json and weights"
        )
    check_dates_of(place, files)
    return [given(file) for file in sorted(map(str, files))]


def adapter_to_fetch(wildcards):
    """The option for the adapter in a metric's repository; empty if it uses none."""
    entry = getattr(CONFIG, wildcards.registry)[wildcards.name]
    adapter = getattr(entry, "adapter", None)
    return shlex.join(["--adapter", adapter]) if adapter else ""


FETCHED = (
    [
        f"results/{registry}/{name}/fetched.json"
        for registry in ("models", "metrics")
        for name, entry in getattr(CONFIG, registry).items()
        if getattr(entry, "hub", None)  # metrics without a model have none
    ]
    + [
        f"results/adapters/{run}/fetched.json"
        for run in PUBLISHED
        if RUNS[run].adapter.hub
    ]
    + [
        f"results/datasets/{name}/fetched.json"
        for name, dataset in CONFIG.datasets.items()
        if dataset.hub
    ]
    + [
        f"results/imports/{run}/{kind}/fetched.json"
        for run in IMPORTED
        for kind, source in RUNS[run].imports.items()
        if source.hub
    ]
)


rule fetch:
    """Fetch everything that the configuration names on the hub; needs a network."""
    input:
        FETCHED,
    localrule: True


rule fetch_model:
    """Fetch a model or a metric."""
    output:
        "results/{registry}/{name}/fetched.json",
    log:
        "results/logs/fetch/{registry}/{name}.log",
    wildcard_constraints:
        registry="models|metrics",
    localrule: True
    params:
        repository=lambda wildcards: getattr(CONFIG, wildcards.registry)[
            wildcards.name
        ].hub,
        revision=lambda wildcards: getattr(CONFIG, wildcards.registry)[
            wildcards.name
        ].revision,
        adapter=adapter_to_fetch,
        # Code of further repositories, only for entries whose code may run.
        code=lambda wildcards: (
            "--code"
            if getattr(
                getattr(CONFIG, wildcards.registry)[wildcards.name],
                "trust_remote_code",
                False,
            )
            else ""
        ),
    shell:
        'HF_HUB_OFFLINE=0 python "$FEYNTUNE_SCRIPTS/fetch.py" --repository {params.repository:q} --revision {params.revision:q}'
        " --folder results/{wildcards.registry:q}/{wildcards.name:q} --receipt {output:q} {params.adapter} {params.code}"
        " --log {log:q}"


rule fetch_adapter:
    """Fetch a published adapter."""
    output:
        "results/adapters/{run}/fetched.json",
    log:
        "results/logs/fetch/adapters/{run}.log",
    wildcard_constraints:
        run=one_of(PUBLISHED),
    localrule: True
    params:
        repository=lambda wildcards: RUNS[wildcards.run].adapter.hub,
        revision=lambda wildcards: RUNS[wildcards.run].adapter.revision,
    shell:
        'HF_HUB_OFFLINE=0 python "$FEYNTUNE_SCRIPTS/fetch.py" --repository {params.repository:q} --revision {params.revision:q}'
        " --folder results/adapters/{wildcards.run:q} --receipt {output:q} --log {log:q}"


rule fetch_dataset:
    """Fetch a dataset."""
    output:
        "results/datasets/{dataset}/fetched.json",
    log:
        "results/logs/fetch/datasets/{dataset}.log",
    wildcard_constraints:
        dataset=datasets_of("hub"),
    localrule: True
    params:
        repository=lambda wildcards: CONFIG.datasets[wildcards.dataset].hub,
        revision=lambda wildcards: CONFIG.datasets[wildcards.dataset].revision,
    shell:
        'HF_HUB_OFFLINE=0 python "$FEYNTUNE_SCRIPTS/fetch.py" --kind dataset --repository {params.repository:q}'
        " --revision {params.revision:q} --folder results/datasets/{wildcards.dataset:q}/source --receipt {output:q}"
        " --log {log:q}"


rule fetch_import:
    """Fetch a table of imported results."""
    output:
        "results/imports/{run}/{kind}/fetched.json",
    log:
        "results/logs/fetch/imports/{run}/{kind}.log",
    wildcard_constraints:
        run=one_of(IMPORTED),
        kind=one_of(["completions", "perplexity", *CONFIG.metrics]),
    localrule: True
    params:
        repository=lambda wildcards: RUNS[wildcards.run].imports[wildcards.kind].hub,
        revision=lambda wildcards: RUNS[wildcards.run].imports[wildcards.kind].revision,
    shell:
        'HF_HUB_OFFLINE=0 python "$FEYNTUNE_SCRIPTS/fetch.py" --kind dataset --repository {params.repository:q}'
        " --revision {params.revision:q} --folder results/imports/{wildcards.run:q}/{wildcards.kind:q}/source"
        " --receipt {output:q} --log {log:q}"
