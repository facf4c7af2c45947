# How near completions come to the true abstracts, by each scorer (SemScore, Jina, any sentence-embedding model).


rule embed_truth:
    input:
        scorer=lambda wildcards: model_files("scorers", wildcards.scorer),
        dataset=lambda wildcards: split_of(wildcards.set),
    output:
        "results/truth/{scorer}/{set}.safetensors",
    log:
        "results/logs/embed_truth/{scorer}/{set}.log",
    benchmark:
        "results/costs/embed_truth/{scorer}/{set}.tsv"
    threads: threads_of("semscore")
    resources:
        **request("semscore"),
    params:
        scorer=lambda wildcards: model_folder("scorers", wildcards.scorer),
        settings=lambda wildcards: settings(
            declared.truth_stage(CONFIG, wildcards.scorer, wildcards.set)
        ),
        code=code("embed_truth.py"),
    shell:
        "python scripts/on_cards.py {resources.gpu} scripts/embed_truth.py"
        " --dataset {input.dataset} --scorer {params.scorer:q}"
        " --settings {params.settings:q} --output {output} --log {log}"


rule semscore:
    input:
        scorer=lambda wildcards: model_files("scorers", wildcards.scorer),
        truth="results/truth/{scorer}/{set}.safetensors",
        completions="results/completions/{set}/{run}.parquet",
    output:
        "results/{scorer}/{set}/{run}.parquet",
    log:
        "results/logs/semscore/{scorer}/{set}/{run}.log",
    benchmark:
        "results/costs/semscore/{scorer}/{set}/{run}.tsv"
    threads: threads_of("semscore")
    resources:
        **request("semscore"),
    params:
        scorer=lambda wildcards: model_folder("scorers", wildcards.scorer),
        settings=lambda wildcards: settings(
            declared.semscore_stage(CONFIG, wildcards.scorer)
        ),
        code=code("semscore.py"),
    shell:
        "python scripts/on_cards.py {resources.gpu} scripts/semscore.py"
        " --completions {input.completions} --truth {input.truth}"
        " --scorer {params.scorer:q} --settings {params.settings:q} --output {output} --log {log}"
