"""The numbers of a plan: shapes, sizes, operations, memory, times; checked by hand or by measurement."""

import json
import re
from dataclasses import replace

import pyarrow
import pyarrow.parquet
import pytest

from feyntune.config.load import parse_configuration
from feyntune.config.runs import resolve_runs
from feyntune.config.stages import completion_stage, training_stage
from feyntune.core.files import write_table
from feyntune.planning import calibrate, devices, memory
from feyntune.planning.context import Context
from feyntune.planning.estimates import ESTIMATES, SHORT, estimate
from feyntune.planning.evaluation_work import rows_in_parallel
from feyntune.planning.jobs import Job
from feyntune.planning.memory import (
    KNOWN,
    block_parameters,
    head_parameters,
    layer_sizes,
    lora_parameters,
    read_shape,
    shape_of,
)
from feyntune.planning.plan import _same_engine, wall_seconds
from feyntune.planning.sizes import ARXIV, PAPERS, Sizes
from feyntune.planning.work import Work
from support.workspace import PROJECT

LLAMA = KNOWN["meta-llama/Llama-3.1-8B"]
HUB = {"hub": "meta-llama/Llama-3.1-8B", "revision": "main"}
BASE = {
    "snapshots": {"arxiv": "nowhere.json"},
    "datasets": {"hep-th": {"snapshot": "arxiv", "categories": ["hep-th"]}},
    "models": {"llama": HUB},
    "layer_sets": {"qkv": ["q_proj", "k_proj", "v_proj"]},
    "grid": {"models": ["llama"], "datasets": ["hep-th"], "layer_sets": ["qkv"]},
    "evaluation_sets": {"hep-th": {"dataset": "hep-th"}},
}


def context(tmp_path, **changes):
    configuration = parse_configuration({**BASE, **changes})
    sizes = Sizes(configuration, results=tmp_path / "results")
    return Context(configuration, resolve_runs(configuration), sizes)


def test_the_known_llama_has_eight_billion_weights():
    norms = (2 * 32 + 1) * 4096
    assert block_parameters(LLAMA) + 2 * head_parameters(LLAMA) + norms == 8_030_261_248  # as its model card says


@pytest.mark.parametrize(("optimizer", "each"), [("adamw_torch", 18), ("adamw_8bit", 12), ("adafactor", 10)])
def test_training_all_weights_takes_weights_gradients_moments_and_a_copy_for_each(tmp_path, optimizer, each):
    full = {"method": "full", "optimizer": {"name": optimizer}, "gradient_checkpointing": True}
    grid = {"models": ["llama"], "datasets": ["hep-th"]}
    planned = context(tmp_path, training=full, quantization={"method": "none"}, grid=grid)
    work = estimate(planned, "train_full", {"run": "llama_hep-th_full"})
    weights = block_parameters(LLAMA) + 2 * head_parameters(LLAMA)
    assert 0 < work.peak - 1.1 * each * weights < 10e9  # activations and libraries
    moments = {"adamw_torch": 8, "adamw_8bit": 2, "adafactor": 0}[optimizer]
    assert work.disk == weights * (2 * (4 + moments) + 2)  # two checkpoints in float32, the model in bfloat16


def test_fsdp_divides_weights_and_states_and_the_plan_says_how_many_gpus_it_takes(tmp_path):
    full = {"method": "full", "gradient_checkpointing": True}
    fixed = {"quantization": {"method": "none"}, "grid": {"models": ["llama"], "datasets": ["hep-th"]}}
    run, weights = {"run": "llama_hep-th_full"}, block_parameters(LLAMA) + 2 * head_parameters(LLAMA)
    one = estimate(context(tmp_path, training=full, **fixed), "train_full", run)
    gathered = 4 * (2 * head_parameters(LLAMA) + 2 * block_parameters(LLAMA) / 32)
    needed = {count: 0.7e9 + 1.1 * (18 * weights / count + gathered) for count in (2, 4, 8)}
    assert [count for count, size in needed.items() if size < 0.9 * 40 * 2**30] == [8]  # of an A100 with 40 GB
    assert one.fewest_gpus == 8
    resources = {"train": {"gpu": 8}}
    eight = estimate(
        context(tmp_path, training={**full, "parallel": "fsdp"}, resources=resources, **fixed), "train_full", run
    )
    assert needed[8] < eight.peak < needed[8] + 4e9 and eight.fewest_gpus is None
    adapter = {**fixed, "grid": {**fixed["grid"], "layer_sets": ["qkv"]}}
    assert estimate(context(tmp_path, **adapter), "train", {"run": "llama_hep-th_qkv"}).fewest_gpus is None


def test_a_shape_is_that_of_the_real_model(tiny_model):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    shape = read_shape(tiny_model)
    linear = {name.split(".")[-2]: tuple(w.shape) for name, w in model.named_parameters() if "_proj" in name}
    assert {name: size[::-1] for name, size in layer_sizes(shape).items()} == linear
    assert block_parameters(shape) == sum(w.numel() for name, w in model.named_parameters() if "_proj" in name)


def test_an_adapter_has_as_many_weights_as_peft_gives_it(tiny_model, tiny_adapter):
    from safetensors.numpy import load_file

    real = sum(tensor.size for tensor in load_file(tiny_adapter / "adapter_model.safetensors").values())
    assert lora_parameters(read_shape(tiny_model), ["q_proj", "v_proj", "up_proj"], 4) == real


def test_a_folder_without_a_transformer_has_no_shape(tmp_path):
    assert read_shape(tmp_path) is None
    for text in ("{}", "rubbish", '{"hidden_size": 64}'):
        (tmp_path / "config.json").write_text(text)
        assert read_shape(tmp_path) is None


def test_a_configured_shape_comes_first_and_an_unknown_model_has_none():
    models = {"mine": {"hub": "somebody/model", "revision": "main"}, "llama": HUB}
    configured = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    shapes = {"llama": {**configured, "vocab_size": 100}}
    configuration = parse_configuration({"models": models, "planning": {"shapes": shapes}})
    assert shape_of(configuration, "models", "llama").hidden_size == 64
    assert shape_of(configuration, "models", "mine") is None


def test_missing_datasets_are_estimated_by_category(tmp_path):
    sizes = context(tmp_path).sizes
    assert sizes.dataset("hep-th").rows == {"train": 73_500, "test": 15_750, "validation": 15_750}
    assert not sizes.dataset("hep-th").known
    assert sizes.tokens("hep-th", tmp_path) == 150


def test_a_mixture_is_estimated_from_its_parts(tmp_path):
    other = {"snapshot": "arxiv", "categories": ["gr-qc"]}
    mix = {"mix": ["hep-th", {"dataset": "gr-qc", "fraction": 0.5}]}
    datasets = {**BASE["datasets"], "gr-qc": other, "mixed": mix}
    rows = context(tmp_path, datasets=datasets).sizes.dataset("mixed").rows
    assert rows["train"] == int(0.7 * PAPERS["hep-th"]) + int(0.7 * PAPERS["gr-qc"]) // 2


def test_the_papers_of_a_snapshot_are_estimated_from_its_file_size(tmp_path):
    (tmp_path / "half.json").write_bytes(b"x" * 1650 * 1000)
    sizes = context(tmp_path, snapshots={"arxiv": str(tmp_path / "half.json")}).sizes
    assert sizes.papers("arxiv") == 1000
    assert sum(sizes.dataset("hep-th").rows.values()) == pytest.approx(PAPERS["hep-th"] * 1000 / ARXIV, abs=3)


def test_an_existing_dataset_is_counted(tmp_path, tiny_model):
    from transformers import AutoTokenizer

    folder = tmp_path / "results/datasets/hep-th"
    folder.mkdir(parents=True)
    texts = ["We study strings.", "The entropy is finite; loops vanish."]
    pyarrow.parquet.write_table(pyarrow.table({"abstract": texts}), folder / "train.parquet")
    summary = {"rows": {"train": 2, "test": 1, "validation": 1}, "words": {"mean": 4.5}}
    (folder / "summary.json").write_text(json.dumps(summary))
    sizes = context(tmp_path).sizes
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    real = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    assert sizes.dataset("hep-th").rows["train"] == 2
    assert sizes.tokens("hep-th", tiny_model) == sum(real) / 2
    assert sizes.tokens("hep-th", tmp_path) == 4.5 * 1.5  # no tokenizer in this folder


def test_a_dataset_of_other_settings_is_not_counted(tmp_path):
    folder = tmp_path / "results/datasets/hep-th"
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text('{"rows": {"train": 2, "test": 1, "validation": 1}, "words": {"mean": 4}}')
    configuration = parse_configuration(BASE)
    sizes = Sizes(configuration, outdated={"hep-th"}, results=tmp_path / "results")
    assert sizes.dataset("hep-th").rows["train"] == 73_500


def test_training_tokens_and_operations(tmp_path):
    recomputed = {"per_device_batch_size": None, "gradient_checkpointing": True}
    work = estimate(context(tmp_path, training=recomputed), "train", {"run": "llama_hep-th_qkv"})
    assert work.tokens == 73_500 * 4 * 152
    six_per_weight = 6 * (block_parameters(LLAMA) + head_parameters(LLAMA)) * work.tokens
    assert 1 < work.operations / six_per_weight < 1.1  # attention and evaluations on top
    plain = estimate(
        context(tmp_path, training={"gradient_checkpointing": False}), "train", {"run": "llama_hep-th_qkv"}
    )
    assert plain.operations / work.operations == pytest.approx(4 / 6)
    assert plain.peak > 1.5 * work.peak


def test_a_training_that_fits_itself_is_planned_for_the_gpu(tmp_path):
    planned = context(tmp_path)
    large = estimate(planned, "train", {"run": "llama_hep-th_qkv"})
    assert 0.5 * 40e9 < large.peak < 40 * 2**30
    small = estimate(replace(planned, gpu_memory=8.6e9), "train", {"run": "llama_hep-th_qkv"})
    assert small.peak < 8.6e9
    assert small.operations / large.operations == pytest.approx(6 / 4)


def test_gpus_that_train_together_divide_the_work(tmp_path):
    runs = {"mine": {"model": "llama", "dataset": "hep-th", "layers": "qkv", "gpus": 4}}
    planned = context(tmp_path, runs=runs)
    one, four = (estimate(planned, "train", {"run": run}) for run in ("llama_hep-th_qkv", "mine"))
    assert four.operations == pytest.approx(one.operations / 4)
    assert four.tokens == one.tokens
    assert four.peak < one.peak


def test_max_steps_and_limits_bound_the_work(tmp_path):
    sets = {"hep-th": {"dataset": "hep-th", "limit": 100}}
    planned = context(tmp_path, training={"max_steps": 10}, evaluation_sets=sets)
    assert estimate(planned, "train", {"run": "llama_hep-th_qkv"}).tokens == 10 * 16 * 152
    assert estimate(planned, "perplexity", {"set": "hep-th", "run": "llama_base"}).tokens == 100 * 151
    similarity = estimate(planned, "similarity", {"set": "hep-th", "run": "llama_base"})
    assert similarity.disk == 4 * 100 * 100


def test_a_base_model_is_expected_to_generate_longer_texts(tmp_path):
    planned = context(tmp_path)
    base, adapted = (
        estimate(planned, "complete", {"set": "hep-th", "run": run}) for run in ("llama_base", "llama_hep-th_qkv")
    )
    assert base.tokens > 5 * adapted.tokens


def tokens_per_second(tmp_path, engine):
    """New tokens per second of an A100 with 40 GB, as planned for a base model."""
    planned = context(tmp_path, generation={"engine": engine})
    work = estimate(planned, "complete", {"set": "hep-th", "run": "llama_base"})
    new = planned.sizes.rows("hep-th") * 1024
    return new / calibrate.by_table(work, devices.DEFAULT)[1]


def test_vllm_is_planned_as_several_times_as_fast_on_a_gpu(tmp_path):
    """The built-in engine launches kernel by kernel; 0.8 to 1.3 thousand tokens per second were at 64 rows."""
    ours, theirs = tokens_per_second(tmp_path, "transformers"), tokens_per_second(tmp_path, "vllm")
    assert 800 < ours < 2500
    assert 4000 < theirs < 10_000


def test_the_plan_has_the_rows_of_the_job(tmp_path):
    """From the same memory, shape and longest prompt, the plan and the job choose the same number."""
    import torch
    from transformers import LlamaConfig

    from feyntune.evaluation.generation.batching import choose_rows
    from feyntune.evaluation.generation.engine import Row

    resources = {"complete": {"gpu": 0, "mem_mb": 60_000}}
    planned = context(tmp_path, resources=resources)
    stage = completion_stage(planned.configuration, planned.runs["llama_base"], "hep-th")
    rows = [Row(index, str(index), 0, [0] * 200, 1024) for index in range(500)]
    config = LlamaConfig(**LLAMA.model_dump(exclude={"gated", "head_dim"}))
    chosen = choose_rows(config, stage, rows, torch.device("cpu"), 60e9)
    assert chosen == rows_in_parallel(planned, LLAMA, stage, 200)
    assert chosen == 64


def test_the_speed_of_another_engine_corrects_nothing(tmp_path):
    made = tmp_path / "made.parquet"
    table = pyarrow.table({"id": ["a"]})
    write_table(made, table, {"engine": "transformers"})
    job = Job("complete", {"set": "hep-th", "run": "r"}, outputs=[str(made)])
    assert _same_engine(job, Work(engine="transformers"))
    assert not _same_engine(job, Work(engine="vllm"))


def test_a_quantised_llama_fits_where_a_plain_one_does_not():
    configuration = parse_configuration(BASE)
    stage = training_stage(configuration, resolve_runs(configuration)["llama_hep-th_qkv"])
    nf4 = memory.weight_bytes(LLAMA, stage.quantization, stage.precision)
    plain = memory.weight_bytes(LLAMA, stage.quantization.model_copy(update={"method": "none"}), stage.precision)
    assert nf4 == pytest.approx(5.7e9, rel=0.02)
    assert plain == pytest.approx(16.06e9, rel=0.01)


def test_without_a_shape_tokens_are_known_and_costs_are_not(tmp_path):
    models = {"llama": {"hub": "somebody/model", "revision": "main"}}
    work = estimate(context(tmp_path, models=models), "train", {"run": "llama_hep-th_qkv"})
    assert not work.known
    assert work.tokens == 73_500 * 4 * 152
    assert calibrate.by_table(work, devices.cpu(1)) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ampere_a100", "A100"),
        ("NVIDIA A100-SXM4-80GB", "A100 80GB"),
        ("NVIDIA A100-SXM4-40GB", "A100"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("rtx4090", "RTX 4090"),
        ("Tesla V100-SXM2-16GB", "V100"),
        ("l40s", "L40S"),
        ("A5000", None),
    ],
)
def test_gpus_are_found_by_their_many_names(text, name):
    gpu = devices.find_gpu(text)
    assert (gpu and gpu.name) == name


def test_measured_jobs_correct_the_table():
    gpu, work = devices.find_gpu("A100"), Work(operations=1e17)
    jobs = {
        key: Job("train", {"run": key}, why=why, gpu=1)
        for key, why in (("done", []), ("also", []), ("stale", ["changed"]))
    }
    expected = sum(calibrate.by_table(work, gpu))
    seconds = {"done": 2 * expected, "also": 4 * expected, "stale": 100 * expected}
    names = dict.fromkeys(jobs, "NVIDIA A100-SXM4-40GB")
    works = dict.fromkeys(jobs, work)
    assert calibrate.corrections(jobs, works, seconds, names, gpu)["train"].factor == pytest.approx(3)
    assert calibrate.corrections(jobs, works, {"stale": seconds["stale"]}, names, gpu)["train"].factor == 100
    on_cpu = dict.fromkeys(jobs, "x86_64 CPU, 2 threads")
    assert calibrate.corrections(jobs, works, seconds, on_cpu, gpu) == {}
    prediction = calibrate.predict(jobs["stale"], work, gpu, {"train": calibrate.Correction(factor=3)})
    assert prediction.seconds == pytest.approx(3 * expected)
    assert prediction.measured


def test_short_jobs_correct_only_the_time_to_start():
    gpu, small, large = devices.find_gpu("A100"), Work(operations=1e12), Work(operations=1e18)
    job = Job("train", {"run": "a"}, gpu=1)
    start, work = calibrate.by_table(small, gpu)
    took = {job.key: start + work + 60}
    learned = calibrate.corrections({job.key: job}, {job.key: small}, took, {job.key: "A100"}, gpu)
    assert learned["train"] == calibrate.Correction(extra=pytest.approx(60))
    assert calibrate.predict(job, large, gpu, learned).seconds == pytest.approx(
        sum(calibrate.by_table(large, gpu)) + 60
    )


def rules_with_resources():
    """Names of the workflow's rules, and whether each asks for resources."""
    for file in sorted((PROJECT / "workflow/rules").glob("*.smk")):
        names_and_bodies = re.split(r"^(?:use rule \w+ as|rule) (\w+)", file.read_text(), flags=re.MULTILINE)[1:]
        yield from (
            (name, "resources:" in body)
            for name, body in zip(names_and_bodies[::2], names_and_bodies[1::2], strict=True)
        )


def test_every_rule_that_asks_for_resources_is_estimated_or_deliberately_short():
    rules = dict(rules_with_resources())
    assert len(rules) > 20
    assert set(ESTIMATES) | SHORT >= {name for name, asks in rules.items() if asks}
    assert rules.keys() >= set(ESTIMATES) | SHORT  # no entry of a rule that was renamed
    assert not set(ESTIMATES) & SHORT


def chain(*names):
    return {
        name: Job(name, {}, why=["new"], needs=[before] if before else [])
        for before, name in zip(["", *names], names, strict=False)
    }


def test_wall_time_follows_dependencies_and_free_resources():
    unlimited = {"jobs": None, "cores": None, "gpu": None}
    line = chain("a", "b", "c")
    assert wall_seconds(line, {"a": 1, "b": 2, "c": 3}, unlimited) == 6
    assert wall_seconds(line, {"b": 2, "c": 3}, unlimited) == 5  # the result of a exists
    beside = {name: Job(name, {}, why=["new"], threads=2, gpu=1) for name in "abcd"}
    seconds = dict.fromkeys(beside, 10)
    assert wall_seconds(beside, seconds, unlimited) == 10
    assert wall_seconds(beside, seconds, {**unlimited, "jobs": 3}) == 20
    assert wall_seconds(beside, seconds, {**unlimited, "cores": 4}) == 20
    assert wall_seconds(beside, seconds, {**unlimited, "gpu": 1}) == 40
    assert wall_seconds(beside, seconds, {**unlimited, "cores": 1}) == 40  # too large for the machine: each runs alone
    assert wall_seconds({}, {}, unlimited) == 0


def test_archived_adapters_and_a_validation_sample_cost_disk_and_time(tmp_path):
    """Three evaluations, one of them at the last step: three adapters in the archive, besides the published one."""
    rows = {"test_rows": 10, "train_rows": 10, "control_prompts": 0, "times": 3}
    training = {"max_steps": 100, "evaluation": rows}
    run = {"run": "llama_hep-th_qkv"}
    plain = estimate(context(tmp_path, training=training), "train", run)
    archived = estimate(context(tmp_path, training=training, evaluation={"checkpoints": True}), "train", run)
    assert archived.disk == 4 * plain.disk
    assert archived.operations == plain.operations
    best = estimate(context(tmp_path, training={**training, "keep": "best"}), "train", run)
    more = estimate(context(tmp_path, training={**training, "evaluation": {**rows, "test_rows": 20}}), "train", run)
    assert best.operations == more.operations > plain.operations


def test_learning_curves_cost_what_the_evaluations_of_their_samples_cost(tmp_path):
    """Four models on 100 of 15,750 test abstracts, and on as many of the validation split; without metrics."""
    training = {"max_steps": 100, "evaluation": {"times": 3}}
    given = context(tmp_path, training=training, evaluation={"checkpoints": True, "checkpoint_abstracts": 100})
    run = {"run": "llama_hep-th_qkv"}
    share = 4 * 100 / given.sizes.rows("hep-th")
    whole = {stage: estimate(given, stage, {"set": "hep-th", **run}) for stage in ("perplexity", "complete")}
    learned = estimate(given, "checkpoints", run)
    expected = share * (2 * whole["perplexity"].operations + whole["complete"].operations)
    assert learned.operations == pytest.approx(expected)
    assert learned.steps == pytest.approx(share * whole["complete"].steps)
    assert learned.loaded == whole["complete"].loaded, "the base model is read once"
    assert learned.peak == max(each.peak for each in whole.values())
