# Perplexity and embeddings of the evaluation sets under every run, and the similarities between embeddings.


@functools.cache
def perplexity_settings(run, evaluation_set):
    return stages.perplexity_stage(CONFIG, RUNS[run], evaluation_set)


rule perplexity:
    """Perplexities and embeddings of an evaluation set under a run's model."""
    input:
        base=lambda wildcards: evaluated_files(
            wildcards.run, perplexity_settings(wildcards.run, wildcards.set)
        ),
        adapter=adapter_files,
        dataset=lambda wildcards: split_of(wildcards.set),
    output:
        perplexity="results/perplexity/{set}/{run}.parquet",
        embeddings="results/embeddings/{set}/{run}.pt",
    log:
        "results/logs/perplexity/{set}/{run}.log",
    benchmark:
        "results/costs/perplexity/{set}/{run}.tsv"
    wildcard_constraints:
        run=one_of_runs(WITH_MODEL),
    threads: threads_of("perplexity")
    resources:
        **request("perplexity"),
    params:
        base=lambda wildcards: evaluated_folder(
            wildcards.run, perplexity_settings(wildcards.run, wildcards.set)
        ),
        adapter=adapter_option,
        settings=lambda wildcards: settings(
            perplexity_settings(wildcards.run, wildcards.set)
        ),
        code=code("perplexity.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/on_gpus.py" {resources.gpu} "$FEYNTUNE_SCRIPTS/perplexity.py"'
        " --base {params.base:q} {params.adapter} --dataset {input.dataset}"
        " --settings {params.settings:q} --shards results/shards/perplexity/{wildcards.set}/{wildcards.run}"
        " --kept results/kept/perplexity/{wildcards.set}/{wildcards.run}"
        " --perplexity {output.perplexity} --embeddings {output.embeddings} --log {log}"


rule similarity:
    """Cosines between all embeddings of an evaluation set, and their statistics."""
    input:
        "results/embeddings/{set}/{run}.pt",
    output:
        matrix="results/similarity/{set}/{run}.pt",
        statistics="results/similarity/{set}/{run}.json",
    log:
        "results/logs/similarity/{set}/{run}.log",
    benchmark:
        "results/costs/similarity/{set}/{run}.tsv"
    threads: threads_of("similarity")
    resources:
        **request("similarity"),
    params:
        settings=settings(CONFIG.similarity),
        code=code("similarity.py"),
    shell:
        'python "$FEYNTUNE_SCRIPTS/similarity.py" --embeddings {input} --settings {params.settings:q}'
        " --output {output.matrix} --statistics {output.statistics} --log {log}"
