# Every dataset of the configuration, in three splits: from snapshots, mixtures, the hub, or local files. And the
# evaluation sets: abstracts of these splits, without those that a run is trained on. All abstracts of a split are
# evaluated, and `collect` takes those of the evaluation set: so another run never makes the other runs' results stale.

import shlex

from feyntune.config import evaluation_sets as evaluated
from feyntune.config import references
from feyntune.config.sources import SourceFiles
from feyntune.config.schema.data import DatasetStage
from feyntune.config.schema.data import MixtureStage

SPLITS = ("train", "test", "validation")


def datasets_of(*kinds):
    """Names of the datasets of these kinds, as a regular expression."""
    return one_of(
        name
        for name, each in CONFIG.datasets.items()
        if each.kind in kinds and name not in LEFT_DATASETS
    )


def split_files(names):
    """The files of these datasets, all splits."""
    return [
        f"results/datasets/{name}/{split}.parquet" for name in names for split in SPLITS
    ]


def dataset_stage(name):
    """What decides a dataset that is no mixture."""
    return DatasetStage(
        dataset=CONFIG.datasets[name],
        control_papers=sorted(CONFIG.control_papers),
        leaks=CONFIG.leaks,
    )


def dataset_settings(wildcards):
    """The same as JSON."""
    return settings(dataset_stage(wildcards.dataset))


def mixture_settings(wildcards):
    """What decides a mixture, besides the datasets that it is made of."""
    return settings(
        MixtureStage(dataset=CONFIG.datasets[wildcards.dataset], leaks=CONFIG.leaks)
    )


def mixed_files(wildcards):
    """The splits of the datasets that a mixture takes rows from or is sized by."""
    return split_files(references.mentioned(CONFIG.datasets[wildcards.dataset]))


def held_out_files(wildcards):
    """The splits that a mixture may not train on."""
    pairs = references.held_out(
        CONFIG.datasets, wildcards.dataset, CONFIG.evaluation_sets.values()
    )
    return [f"results/datasets/{dataset}/{split}.parquet" for dataset, split in pairs]


SNAPSHOT_SOURCES = {
    name: SourceFiles(
        place=f"$.snapshots.{name}",
        files=[file],
        settings=None,
        outputs=[
            f"results/snapshots/{name}.parquet",
            f"results/snapshots/{name}.json",
        ],
        record=f"results/sources/snapshots/{name}.json",
    )
    for name, file in CONFIG.snapshots.items()
}


def local_dataset(name):
    """The local files of a dataset."""
    files = CONFIG.datasets[name].files
    return SourceFiles(
        place=f"$.datasets.{name}.files",
        files=[files.train, files.test, files.validation],
        settings=dataset_stage(name).model_dump(mode="json"),
        outputs=[*split_files([name]), f"results/datasets/{name}/summary.json"],
        record=f"results/sources/datasets/{name}.json",
    )


DATASET_SOURCES = {
    name: local_dataset(name) for name, each in CONFIG.datasets.items() if each.files
}


TEXT_SOURCES = {
    name: SourceFiles(
        place=f"$.evaluation_sets.{name}.text",
        files=[each.text],
        settings=evaluated.texts_stage(CONFIG, name).model_dump(mode="json"),
        outputs=[f"results/texts/{name}.parquet"],
        record=f"results/sources/texts/{name}.json",
    )
    for name, each in CONFIG.evaluation_sets.items()
    if each.text
}


def without_source(sources):
    """Names of the sources that are gone while their results are valid: no rule makes those."""
    for source in sources.values():
        check_dates_of(source.place, source.files)
    try:
        left = [name for name, source in sources.items() if source.is_left()]
    except FeynTuneError as error:
        sys.exit(str(error))
    for name in left:
        print(sources[name].explain(), file=sys.stderr)
    return left


LEFT_SNAPSHOTS = without_source(SNAPSHOT_SOURCES)
LEFT_DATASETS = without_source(DATASET_SOURCES)
LEFT_TEXTS = without_source(TEXT_SOURCES)


def present(source):
    """Those of the files that are there or that a rule makes; a plan can be made without, and the job tells."""
    return [given(file) for file in source.files if file not in source.missing]


def snapshot_file(wildcards):
    """The file of a snapshot."""
    return present(SNAPSHOT_SOURCES[wildcards.snapshot])


def source_files(wildcards):
    """What a dataset that has its splits already is read from: local files, or the receipt of the hub's."""
    if wildcards.dataset in DATASET_SOURCES:
        return present(DATASET_SOURCES[wildcards.dataset])
    return f"results/datasets/{wildcards.dataset}/fetched.json"


def source_option(wildcards):
    """The option that names them."""
    files = CONFIG.datasets[wildcards.dataset].files
    if files:
        return shlex.join(["--files", files.train, files.test, files.validation])
    return f"--source results/datasets/{wildcards.dataset}/source"


@functools.cache
def leak_sources(evaluation_set):
    """Datasets whose training splits may contain abstracts of an evaluation set."""
    return evaluated.leak_sources(CONFIG, RUNS.values(), evaluation_set)


@functools.cache
def held_out_of_training(dataset):
    """The splits that are removed from a training split (leaks.policy: hold_out)."""
    pairs = evaluated.held_out_of_training(CONFIG, dataset)
    return [f"results/datasets/{other}/{split}.parquet" for other, split in pairs]


def training_file(dataset):
    """The training split that runs of a dataset are trained on."""
    folder = "training_sets" if held_out_of_training(dataset) else "datasets"
    return f"results/{folder}/{dataset}/train.parquet"


def control_prompt_file(dataset):
    """The control papers of the snapshot that a dataset is made from; where there is none, its validation split."""
    snapshot = references.snapshot_under(CONFIG.datasets, dataset)
    return (
        f"results/snapshots/{snapshot}.controls.parquet"
        if snapshot
        else f"results/datasets/{dataset}/validation.parquet"
    )


rule read_snapshot:
    """Read an arXiv metadata snapshot into a columnar file."""
    input:
        snapshot_file,
    output:
        store="results/snapshots/{snapshot}.parquet",
        report="results/snapshots/{snapshot}.json",
    log:
        "results/logs/read_snapshot/{snapshot}.log",
    benchmark:
        "results/costs/read_snapshot/{snapshot}.tsv"
    wildcard_constraints:
        snapshot=one_of(name for name in CONFIG.snapshots if name not in LEFT_SNAPSHOTS),
    threads: threads_of("read_snapshot")
    resources:
        **request("read_snapshot"),
    params:
        snapshot=lambda wildcards: CONFIG.snapshots[wildcards.snapshot],
        code=code("read_snapshot.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/read_snapshot.py" --snapshot {params.snapshot:q} --store {output.store} --report {output.report}'
        " --record results/sources/snapshots/{wildcards.snapshot}.json --threads {threads} --log {log}"


rule control_papers:
    """Set the control papers aside: they are in no split."""
    input:
        "results/snapshots/{snapshot}.parquet",
    output:
        "results/snapshots/{snapshot}.controls.parquet",
    log:
        "results/logs/control_papers/{snapshot}.log",
    threads: threads_of("dataset")
    resources:
        **request("dataset"),
    params:
        ids=lambda wildcards: settings(CONFIG.control_papers),
        code=code("control_papers.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/control_papers.py" --store {input} --ids {params.ids:q} --output {output} --log {log}'


rule build_dataset:
    """Select, clean and split the papers of a snapshot."""
    input:
        store=lambda wildcards: f"results/snapshots/{CONFIG.datasets[wildcards.dataset].snapshot}.parquet",
        report=lambda wildcards: f"results/snapshots/{CONFIG.datasets[wildcards.dataset].snapshot}.json",
    output:
        train="results/datasets/{dataset}/train.parquet",
        test="results/datasets/{dataset}/test.parquet",
        validation="results/datasets/{dataset}/validation.parquet",
        summary="results/datasets/{dataset}/summary.json",
    log:
        "results/logs/build_dataset/{dataset}.log",
    benchmark:
        "results/costs/build_dataset/{dataset}.tsv"
    wildcard_constraints:
        dataset=datasets_of("snapshot"),
    threads: threads_of("dataset")
    resources:
        **request("dataset"),
    params:
        settings=dataset_settings,
        code=code("build_dataset.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/build_dataset.py" --store {input.store} --report {input.report} --settings {params.settings:q}'
        " --folder results/datasets/{wildcards.dataset} --log {log}"


rule mix_dataset:
    """Mix datasets, split by split."""
    input:
        mixed=mixed_files,
        held_out=held_out_files,
    output:
        train="results/datasets/{dataset}/train.parquet",
        test="results/datasets/{dataset}/test.parquet",
        validation="results/datasets/{dataset}/validation.parquet",
        summary="results/datasets/{dataset}/summary.json",
    log:
        "results/logs/mix_dataset/{dataset}.log",
    benchmark:
        "results/costs/mix_dataset/{dataset}.tsv"
    wildcard_constraints:
        dataset=datasets_of("mix"),
    threads: threads_of("dataset")
    resources:
        **request("dataset"),
    params:
        settings=mixture_settings,
        code=code("mix_dataset.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/mix_dataset.py" --datasets results/datasets --held-out {input.held_out}'
        " --settings {params.settings:q} --folder results/datasets/{wildcards.dataset} --log {log}"


rule import_dataset:
    """Read a dataset that has its three splits already."""
    input:
        source_files,
    output:
        train="results/datasets/{dataset}/train.parquet",
        test="results/datasets/{dataset}/test.parquet",
        validation="results/datasets/{dataset}/validation.parquet",
        summary="results/datasets/{dataset}/summary.json",
    log:
        "results/logs/import_dataset/{dataset}.log",
    benchmark:
        "results/costs/import_dataset/{dataset}.tsv"
    wildcard_constraints:
        dataset=datasets_of("hub", "files"),
    threads: threads_of("dataset")
    resources:
        **request("dataset"),
    params:
        source=source_option,
        settings=dataset_settings,
        code=code("import_dataset.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/import_dataset.py" {params.source} --settings {params.settings:q}'
        " --record results/sources/datasets/{wildcards.dataset}.json"
        " --folder results/datasets/{wildcards.dataset} --log {log}"


rule read_texts:
    """Read plain texts, for an evaluation set of perplexity only."""
    input:
        lambda wildcards: present(TEXT_SOURCES[wildcards.set]),
    output:
        "results/texts/{set}.parquet",
    log:
        "results/logs/read_texts/{set}.log",
    wildcard_constraints:
        set=one_of(name for name in TEXT_SOURCES if name not in LEFT_TEXTS),
    resources:
        **request("dataset"),
    params:
        text=lambda wildcards: CONFIG.evaluation_sets[wildcards.set].text,
        settings=lambda wildcards: settings(
            evaluated.texts_stage(CONFIG, wildcards.set)
        ),
        code=code("read_texts.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/read_texts.py" --text {params.text:q} --settings {params.settings:q}'
        " --record results/sources/texts/{wildcards.set}.json --output {output} --log {log}"


rule select_dates:
    """Take the abstracts of certain days from a split, for an evaluation set."""
    input:
        lambda wildcards: "results/datasets/{each.dataset}/{each.split}.parquet".format(
            each=CONFIG.evaluation_sets[wildcards.set]
        ),
    output:
        "results/dated/{set}.parquet",
    log:
        "results/logs/select_dates/{set}.log",
    wildcard_constraints:
        set=one_of(
            name for name, each in CONFIG.evaluation_sets.items() if each.is_dated
        ),
    resources:
        **request("dataset"),
    params:
        settings=lambda wildcards: settings(
            evaluated.dates_stage(CONFIG, wildcards.set)
        ),
        code=code("select_dates.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/select_dates.py" --split {input} --settings {params.settings:q}'
        " --output {output} --log {log}"


rule hold_out:
    """Remove the abstracts of evaluation sets from a training split."""
    input:
        train="results/datasets/{dataset}/train.parquet",
        held_out=lambda wildcards: held_out_of_training(wildcards.dataset),
    output:
        train="results/training_sets/{dataset}/train.parquet",
        summary="results/training_sets/{dataset}/summary.json",
    log:
        "results/logs/hold_out/{dataset}.log",
    benchmark:
        "results/costs/hold_out/{dataset}.tsv"
    threads: threads_of("dataset")
    resources:
        **request("dataset"),
    params:
        settings=lambda wildcards: settings(
            evaluated.hold_out_stage(CONFIG, wildcards.dataset)
        ),
        code=code("hold_out.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/hold_out.py" --train {input.train} --held-out {input.held_out} --settings {params.settings:q}'
        " --output {output.train} --summary {output.summary} --log {log}"


rule join_splits:
    """Join the splits of a dataset, for an evaluation set of `split: all`."""
    input:
        expand(
            "results/datasets/{{dataset}}/{split}.parquet",
            split=("test", "validation", "train"),
        ),
    output:
        "results/datasets/{dataset}/all.parquet",
    log:
        "results/logs/join_splits/{dataset}.log",
    resources:
        **request("dataset"),
    params:
        code=code("join_splits.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/join_splits.py" --splits {input} --output {output} --log {log}'


rule evaluation_set:
    """Make an evaluation set: abstracts of a split, without those that a run is trained on."""
    input:
        split=lambda wildcards: split_of(wildcards.set),
        trained=lambda wildcards: [
            f"results/datasets/{dataset}/train.parquet"
            for dataset in leak_sources(wildcards.set)
        ],
    output:
        abstracts="results/evaluation_sets/{set}.parquet",
        summary="results/evaluation_sets/{set}.json",
    log:
        "results/logs/evaluation_set/{set}.log",
    benchmark:
        "results/costs/evaluation_set/{set}.tsv"
    threads: threads_of("dataset")
    resources:
        **request("dataset"),
    params:
        settings=lambda wildcards: settings(
            evaluated.evaluation_set_stage(CONFIG, wildcards.set)
        ),
        code=code("evaluation_set.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/evaluation_set.py" --split {input.split} --trained {input.trained}'
        " --settings {params.settings:q} --output {output.abstracts} --summary {output.summary} --log {log}"
