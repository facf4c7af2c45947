"""What vLLM is given, without vLLM: adapters that it takes, its arguments, and how a job gets into its environment."""

import json
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig

from feyntune.config.schema.generation import CompletionStage
from feyntune.config.schema.models import Precision, Quantization
from feyntune.config.schema.planning import ModelShape
from feyntune.core.errors import FeynTuneError
from feyntune.core.fingerprint import code_fingerprint
from feyntune.evaluation.generation import adapters, batching, engine_file, vllm_engine, vllm_environment
from feyntune.evaluation.generation.engine import Row
from support.programs import load_program

LLAMA = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
}
A100 = 40 * 2**30
PLAIN = {"peft_type": "LORA", "r": 8, "bias": "none", "use_dora": False, "init_lora_weights": True}


def stage(weights="dequantised", dtype="bfloat16", **generation):
    return CompletionStage(
        run="r",
        seed=42,
        limit=None,
        quantization=Quantization(),
        precision=Precision(dtype=dtype),
        weights=weights,
        generation=generation,
        base_names=["wide"],
    )


def rows_in_parallel(memory=A100, device="cuda", prompt=150, **settings):
    return batching.rows_that_fit(ModelShape(**LLAMA), stage(**settings), prompt, prompt + 1024, memory, device)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"init_lora_weights": "gaussian", "use_rslora": True, "rank_pattern": {"q_proj": 512}}, None),
        ({"use_dora": True}, "DoRA"),
        ({"bias": "lora_only"}, "trained biases"),
        ({"modules_to_save": ["lm_head"]}, "whole trained modules (modules_to_save)"),
        ({"trainable_token_indices": [1]}, "trained token embeddings"),
        ({"r": 513}, "a rank above 512"),
        ({"rank_pattern": {"q_proj": 600}}, "a rank above 512"),
        ({"init_lora_weights": "pissa"}, "initial values of pissa"),
        ({"peft_type": "IA3"}, "a method other than LoRA"),
    ],
)
def test_adapters_that_vllm_takes(changes, reason):
    assert adapters.refusal({**PLAIN, **changes}) == reason


def test_the_kernel_has_at_least_the_rank_of_every_layer():
    ranks = {1: 1, 2: 8, 8: 8, 9: 16, 300: 320, 512: 512}
    assert {rank: adapters.kernel_rank({"r": rank}) for rank in ranks} == ranks
    assert adapters.kernel_rank({"r": 4, "rank_pattern": {"q_proj": 20}}) == 32


def test_rows_are_as_many_as_fit():
    assert rows_in_parallel() == 96
    assert rows_in_parallel(memory=80 * 2**30) == batching.MOST_ROWS["cuda"]
    assert rows_in_parallel(weights="quantised") > rows_in_parallel()
    assert rows_in_parallel(dtype="float32", memory=2 * A100) < rows_in_parallel(memory=2 * A100)
    assert rows_in_parallel(memory=16e9) == 1
    assert rows_in_parallel(batch_size=7) == 7
    assert {rows_in_parallel(memory=size * 1e9) % 8 for size in range(26, 80)} == {0}


def test_a_small_model_on_the_cpu_has_64_rows():
    """As many as before batch_size: auto; so the demo's batches are as they were."""
    small = ModelShape(
        hidden_size=192, num_hidden_layers=4, num_attention_heads=6, intermediate_size=576, vocab_size=2000
    )
    assert batching.rows_that_fit(small, stage(dtype="float32"), 200, 360, 2e9, "cpu") == 64


def test_a_job_has_no_more_rows_than_abstracts():
    rows = [Row(0, "a", 1, [0, 5], 10), Row(1, "b", 1, [0, 5, 6], 10)]
    assert batching.choose_rows(LlamaConfig(), stage(), rows, torch.device("cpu"), 1e12) == 2
    assert batching.longest_text(rows) == 13


def test_vllm_on_the_cpu_has_memory_for_all_rows_and_divides_no_prompt():
    config = LlamaConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1)
    given = vllm_engine.engine_arguments(Path("m"), config, stage(dtype="float32"), torch.device("cpu"), 3000, 5)
    token = 2 * 2 * 32 * 4  # keys and values, layers, numbers of the head, bytes
    assert given["kv_cache_memory_bytes"] == (5 * 24 + 1) * 128 * token
    assert given["max_num_batched_tokens"] == given["max_model_len"] == 3000
    assert given["enable_chunked_prefill"] is False


def test_a_gpu_is_filled_up_to_a_fraction():
    given = vllm_engine.engine_arguments(Path("m"), LlamaConfig(), stage(), torch.device("cuda"), 3000, 96)
    assert given["gpu_memory_utilization"] == vllm_engine.GPU_FRACTION
    assert given["max_num_seqs"] == 96
    assert "enforce_eager" not in given  # CUDA graphs make it fast


@pytest.fixture
def start(tmp_path, parse, tiny_model):
    """A function that starts complete_vllm.py."""
    program = load_program("complete_vllm")
    settings = {**json.loads(stage(dtype="float32", engine="vllm").model_dump_json()), "base_names": ["tiny"]}

    def run(**options):
        given = {"base": tiny_model, "dataset": "d", "shards": tmp_path / "shards", "output": "c"}
        program.main(parse(program, settings=json.dumps(settings), **{**given, **options}))

    return run


def test_without_the_environment_one_line_says_what_to_type(start, tmp_path, monkeypatch):
    monkeypatch.setattr(vllm_environment, "PYTHON", tmp_path / "python")
    with pytest.raises(FeynTuneError, match=r"needs the environment \.venv-vllm, which is missing: type `make vllm`$"):
        start()


@pytest.fixture
def became(tmp_path, monkeypatch):
    """The command lines that would replace the process."""
    commands = []
    monkeypatch.setattr(vllm_environment, "PYTHON", tmp_path / "python")
    (tmp_path / "python").touch()
    monkeypatch.setattr(vllm_environment.os, "execv", lambda file, command: commands.append(command))
    return commands


def test_complete_py_gets_the_same_options(start, became, tiny_model, tiny_adapter, tmp_path):
    start(adapter=tiny_adapter)
    [command] = became
    assert command[:2] == [str(tmp_path / "python"), str(vllm_environment.PROGRAM)]
    options = dict(zip(command[2::2], command[3::2], strict=True))
    assert options["--base"] == str(tiny_model)
    assert options["--adapter"] == str(tiny_adapter)
    assert options.keys() == {"--base", "--adapter", "--dataset", "--settings", "--shards", "--output"}


def test_an_adapter_that_vllm_cannot_take_is_merged_first(start, became, tiny_adapter, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(adapters, "RANKS", (1, 2))
    start(adapter=tiny_adapter)
    assert "vLLM cannot apply a rank above 2: merges the adapter into the base model" in capsys.readouterr().out
    [command] = became
    assert "--adapter" not in command
    assert command[command.index("--base") + 1] == str(tmp_path / "shards/merged")
    assert (tmp_path / "shards/merged/model.safetensors").is_file()


def test_the_code_of_one_engine_is_not_part_of_the_other():
    ours, theirs = (code_fingerprint("complete.py", engine_file(name)) for name in ("transformers", "vllm"))
    assert len({ours, theirs, code_fingerprint("complete.py")}) == 3
    from feyntune.core.fingerprint import _closure

    assert engine_file("vllm") not in _closure(("complete.py", engine_file("transformers")))
    assert engine_file("transformers") not in _closure(("complete.py", engine_file("vllm")))


def test_the_engine_is_a_setting_of_completions():
    assert stage().generation.engine == "transformers"
    assert stage(engine="vllm").model_dump(mode="json") != stage().model_dump(mode="json")
