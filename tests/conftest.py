"""Small models and data that several tests need, made on the spot."""

import argparse
import os

import pytest

from support.models import save_random_llama
from support.sentences import SENTENCES

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_TOKEN_PATH"] = os.devnull  # no test uses a token that somebody stored


@pytest.fixture(scope="session")
def abstracts():
    """Ids and texts of a dozen abstracts of very different lengths."""
    texts = [" ".join(SENTENCES[(first + step) % 5] for step in range(1 + first)) for first in range(12)]
    return [f"2401.{number:05d}" for number in range(12)], texts


@pytest.fixture
def dataset(tmp_path, abstracts):
    """A parquet file of those abstracts."""
    import pyarrow
    import pyarrow.parquet

    ids, texts = abstracts
    pyarrow.parquet.write_table(pyarrow.table({"id": ids, "abstract": texts}), tmp_path / "test.parquet")
    return tmp_path / "test.parquet"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Folder of a random Llama of two layers, with a byte-level tokenizer that has BOS and EOS; context 256."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return save_random_llama(folder, 2.5, hidden_size=32, num_attention_heads=4, num_key_value_heads=2)


@pytest.fixture(scope="session")
def wide_model(tmp_path_factory):
    """Folder of a model like ``tiny_model`` with heads of 32 numbers, the fewest that vLLM takes."""
    folder = tmp_path_factory.mktemp("models") / "wide"
    return save_random_llama(folder, 1.5, hidden_size=64, num_attention_heads=2, num_key_value_heads=1)


@pytest.fixture(scope="session")
def tiny_adapter(tiny_model):
    """Folder of a PEFT adapter on ``tiny_model`` that changes what it says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    model = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "v_proj", "up_proj"], task_type="CAUSAL_LM"))
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.3)
    folder = tiny_model.parent / "adapter"
    model.peft_config["default"].base_model_name_or_path = "tiny"
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def parse():
    """A function that parses a program's options: ``parse(program, name=value, ...)``."""

    def parse(program, **options):
        parser = argparse.ArgumentParser()
        program.arguments(parser)
        return parser.parse_args([text for name, value in options.items() for text in (f"--{name}", str(value))])

    return parse


@pytest.fixture(scope="session")
def done(tmp_path_factory):
    """A workspace in which the whole job has run, with planted secrets and with all output captured."""
    from support.planted import QUICK, plant
    from support.workspace import PROJECT, Workspace

    workspace = Workspace(tmp_path_factory.mktemp("done"))
    workspace.environment |= plant(workspace.folder)
    (workspace.folder / "tests").symlink_to(PROJECT / "tests")
    finished = workspace.snakemake(*QUICK, "--verbose", "--config", "tracking={wandb: offline}")
    (workspace.folder / "said.txt").write_text(finished.stdout)
    assert finished.returncode == 0, finished.stdout
    return workspace


@pytest.fixture
def workspace(done, tmp_path):
    """A copy of it to break."""
    from support.workspace import Workspace

    return Workspace(tmp_path / "workspace", original=done)


@pytest.fixture
def apart_from_wandb(tmp_path, monkeypatch):
    """Keep W&B inside a temporary folder, and out of the machine's own settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "wandb-home"))
