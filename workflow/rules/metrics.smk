# How near completions come to the true abstracts, by each metric (SemScore, Jina, any sentence-embedding model).


rule embed_truth:
    input:
        metric=lambda wildcards: model_files("metrics", wildcards.metric),
        dataset=lambda wildcards: split_of(wildcards.set),
    output:
        "results/truth/{metric}/{set}.safetensors",
    log:
        "results/logs/embed_truth/{metric}/{set}.log",
    benchmark:
        "results/costs/embed_truth/{metric}/{set}.tsv"
    threads: threads_of("metrics")
    resources:
        **request("metrics"),
    params:
        metric=lambda wildcards: model_folder("metrics", wildcards.metric),
        settings=lambda wildcards: settings(
            declared.truth_stage(CONFIG, wildcards.metric, wildcards.set)
        ),
        code=code("embed_truth.py"),
    shell:
        "python scripts/on_gpus.py {resources.gpu} scripts/embed_truth.py"
        " --dataset {input.dataset} --metric {params.metric:q}"
        " --settings {params.settings:q} --output {output} --log {log}"


rule semscore:
    input:
        metric=lambda wildcards: model_files("metrics", wildcards.metric),
        truth="results/truth/{metric}/{set}.safetensors",
        completions="results/completions/{set}/{run}.parquet",
    output:
        "results/{metric}/{set}/{run}.parquet",
    log:
        "results/logs/semscore/{metric}/{set}/{run}.log",
    benchmark:
        "results/costs/semscore/{metric}/{set}/{run}.tsv"
    threads: threads_of("metrics")
    resources:
        **request("metrics"),
    params:
        metric=lambda wildcards: model_folder("metrics", wildcards.metric),
        settings=lambda wildcards: settings(
            declared.semscore_stage(CONFIG, wildcards.metric)
        ),
        code=code("semscore.py"),
    shell:
        "python scripts/on_gpus.py {resources.gpu} scripts/semscore.py"
        " --completions {input.completions} --truth {input.truth}"
        " --metric {params.metric:q} --settings {params.settings:q} --output {output} --log {log}"
