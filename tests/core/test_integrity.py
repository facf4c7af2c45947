"""A byte that changed inside a file of weights or tensors is noticed when the file is loaded."""

import hashlib
import json
import shutil

import pytest
import torch

from feyntune.config.schema.models import Precision, Quantization
from feyntune.core import hashing
from feyntune.core.errors import FeynTuneError
from feyntune.core.integrity import base_record, check_base, check_recorded, weights_record
from feyntune.core.tensors import read_tensors, write_tensors
from feyntune.hub import fetch
from feyntune.models.load import load_adapter, load_base
from support.damage import refusal

PLAIN, FP32 = Quantization(method="none"), Precision(dtype="float32")


def flip(path, place=-5):
    """Change one bit of a file, in the place of the file that has it."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.fixture
def model(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    (folder / "weights.json").write_text(json.dumps(weights_record(folder)))
    return folder


@pytest.fixture
def adapter(tiny_adapter, tiny_model, tmp_path):
    folder = shutil.copytree(tiny_adapter, tmp_path / "adapter")
    record = {"weights": weights_record(folder), "base_weights": base_record(tiny_model)}
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def test_a_flipped_bit_of_a_model_is_noticed(model, tmp_path):
    load_base(model, PLAIN, FP32)
    whole = hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    flip(model / "model.safetensors")
    found = hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    line = refusal(lambda: load_base(model, PLAIN, FP32), tmp_path, "model.safetensors: damaged")
    assert f"SHA-256 {found[:8]}…, weights.json says {whole[:8]}…; delete its folder" in line


def test_a_flipped_bit_of_an_adapter_is_noticed(tiny_model, adapter, tmp_path):
    base = load_base(tiny_model, PLAIN, FP32)
    flip(adapter / "adapter_model.safetensors")
    refusal(lambda: load_adapter(base, adapter, ["tiny"]), tmp_path, "adapter_model.safetensors: damaged")


def test_another_base_model_than_in_training_is_noticed(model, adapter, tmp_path):
    check_base(model, adapter)
    flip(model / "model.safetensors")
    check_base(model, adapter)  # dequantised weights of the same size: they have their own record
    (model / "weights.json").unlink()
    line = refusal(lambda: check_base(model, adapter), tmp_path, "model.safetensors: damaged")
    assert "the adapter's run.json says" in line and "delete" not in line


def test_another_copy_of_the_base_model_is_not_compared(model, adapter):
    (model / "weights.json").unlink()
    with open(model / "model.safetensors", "ab") as file:
        file.write(b"longer")
    check_base(model, adapter)
    (model / "model.safetensors").rename(model / "model-00001-of-00001.safetensors")
    check_base(model, adapter)


def test_records_of_earlier_versions_say_nothing(adapter, model):
    (adapter / "run.json").write_text("{}")
    (model / "weights.json").unlink()
    check_recorded(adapter)
    check_base(model, adapter)
    check_recorded(model)


@pytest.mark.parametrize("content", ["{", "[]", '{"weights": 3}', '{"weights": {"adapter_model.safetensors": null}}'])
def test_a_damaged_record_is_one_line(adapter, tmp_path, content):
    (adapter / "run.json").write_text(content)
    refusal(lambda: check_recorded(adapter), tmp_path, "run.json: ")


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A snapshot in the hub's cache, with one file of weights in a subfolder."""
    content = b"weights" * 9
    name = hashlib.sha256(content).hexdigest()
    blob = tmp_path / "hub/blobs" / name
    link = tmp_path / "hub/snapshots/abc/2_Dense/model.safetensors"
    for path in (blob, link):
        path.parent.mkdir(parents=True)
    blob.write_bytes(content)
    link.symlink_to(blob)
    (tmp_path / "hub/snapshots/abc/config.json").write_text("{}")
    monkeypatch.setattr(fetch, "download", lambda *_, **__: str(tmp_path / "hub/snapshots/abc"))
    return blob


def test_damaged_weights_of_the_hub_are_noticed_when_they_are_fetched_and_when_they_are_loaded(cached, tmp_path):
    job = fetch.FetchJob("us/model", "abc", tmp_path / "model", tmp_path / "model/fetched.json")
    fetch.fetch(job)
    check_recorded(job.folder)
    flip(cached)
    refusal(lambda: check_recorded(job.folder), job.folder, "2_Dense/model.safetensors: damaged")
    job.receipt.unlink()
    with pytest.raises(FeynTuneError, match="run `snakemake fetch`"):
        fetch.fetch(job)
    assert not job.receipt.exists()


def test_a_large_file_is_read_once_until_it_changes(model, tmp_path, monkeypatch):
    monkeypatch.setattr(hashing, "LARGE", 1)
    monkeypatch.setattr(hashing, "SETTLED", -1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    read = []
    digest = hashing.digest
    monkeypatch.setattr(hashing, "digest", lambda path: read.append(path) or digest(path))
    for _ in range(3):
        check_recorded(model)
    assert len(read) == 1
    flip(model / "model.safetensors")
    with pytest.raises(FeynTuneError, match="damaged"):
        check_recorded(model)


def test_a_flipped_bit_of_a_tensor_is_noticed(tmp_path):
    path = tmp_path / "x.pt"
    write_tensors(path, {"ids": ["a", "b"], "embeddings": torch.ones(60, 20)})
    read_tensors(path, ["ids"], verified=True)
    flip(path, path.read_bytes().index(torch.ones(5).numpy().tobytes()) + 3)
    assert read_tensors(path, ["ids"])["embeddings"].sum() != 1200  # torch reads it without a word
    line = refusal(lambda: read_tensors(path, ["ids"], verified=True), tmp_path, "x.pt: damaged")
    assert "/data/0 does not have its checksum" in line
