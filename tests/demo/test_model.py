"""The small Llama of the embedded default: an ordinary model folder, the same for the same seed."""

import argparse

import pytest

from feyntune.demo.model import FILES, train_tokenizer
from feyntune.demo.snapshot import snapshot_lines
from feyntune.models.tokenizer import encode, load_tokenizer
from support.programs import load_program

demo_model = load_program("demo_model")

SETTINGS = '{"vocabulary": 400, "hidden_size": 64, "layers": 1, "steps": 3, "batch_size": 4}'
BOS, EOS = "<|begin_of_text|>", "<|end_of_text|>"


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "snapshot.jsonl"
    path.write_text("\n".join(snapshot_lines(120, [], seed=1)))
    return path


@pytest.fixture(scope="module")
def folder(snapshot):
    return pretrain(snapshot, "model")


def pretrain(snapshot, name, settings=SETTINGS):
    folder = snapshot.with_name(name)
    demo_model.main(argparse.Namespace(snapshot=snapshot, settings=settings, output=folder))
    return folder


def test_the_folder_has_the_files_of_a_model_and_no_other(folder):
    assert sorted(file.name for file in folder.iterdir()) == sorted(FILES)
    assert not list(folder.parent.glob(".model*"))


def test_pretraining_is_bit_identical_for_the_same_seed_only(snapshot, folder):
    again, other = pretrain(snapshot, "again"), pretrain(snapshot, "other", SETTINGS.replace("{", '{"seed": 7, ', 1))
    assert all((folder / file).read_bytes() == (again / file).read_bytes() for file in FILES)
    assert (folder / "model.safetensors").read_bytes() != (other / "model.safetensors").read_bytes()
    assert (folder / "tokenizer.json").read_bytes() == (other / "tokenizer.json").read_bytes()


def test_transformers_loads_it_like_any_llama(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.config.model_type == "llama"
    assert model.config.vocab_size == len(tokenizer) == 400
    assert model.config.num_key_value_heads < model.config.num_attention_heads
    assert model.config.hidden_size % 64 == 0 == model.config.intermediate_size % 64
    assert str(model.dtype) == "torch.float32"
    assert (model.generation_config.bos_token_id, model.generation_config.eos_token_id) == (0, 1)


def test_its_tokenizer_has_llama_3s_special_tokens_and_no_padding(folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (BOS, EOS, None)
    assert tokenizer.convert_tokens_to_ids([BOS, EOS]) == [0, 1]


@pytest.mark.parametrize("text", ["We study $AdS_5 \\times S^5$.", "Bühlhoff 楽 ∂\t\n  x", "12345 don't", EOS])
def test_decoding_restores_every_text(folder, text):
    tokenizer = load_tokenizer(folder)
    (tokens,) = encode(tokenizer, [text], eos=True)
    assert (tokens[0], tokens[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    assert tokenizer.decode(tokens[1:-1]) == text


def test_texts_are_split_as_llama_3_does_before_bytes_are_merged():
    tokenizer = train_tokenizer(["x"], 300).backend_tokenizer
    pieces = [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str("We've 12345 $x$")]
    assert pieces == ["We", "'ve", "Ġ", "123", "45", "Ġ$", "x", "$"]


def test_pretraining_leaves_out_the_configured_categories(snapshot, capsys):
    pretrain(snapshot, "without", SETTINGS.replace("{", '{"without": ["hep-th", "hep-ph"], ', 1))
    assert "none of hep-th, hep-ph" in capsys.readouterr().out
