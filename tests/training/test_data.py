"""Abstracts as tokens: conventions of several kinds of tokenizers, and abstracts that are too long."""

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.models.tokenizer import encode, load_tokenizer, token_conventions
from feyntune.training.data import encode_abstracts, load_training_data, sample, step_count
from feyntune.training.microbatches import IGNORED, collate
from support.small_training import SENTENCES, settings, training_job, write_data


def like_llama_3(tokenizer_of):
    """Byte-level BPE whose post-processor adds BOS by itself, and that has no pad token."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = byte_level(["<|begin_of_text|>", "<|end_of_text|>"])
    tokenizer.post_processor = TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 0)]
    )
    return tokenizer_of(tokenizer, bos_token="<|begin_of_text|>", eos_token="<|end_of_text|>")


def like_llama_2(tokenizer_of):
    """BPE with sentencepiece's metaspace and byte fallback, an unknown token, and pad = EOS in its configuration."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer.train_from_iterator(
        SENTENCES, trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    )
    return tokenizer_of(tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="</s>")


def like_gpt_2(tokenizer_of):
    """Byte-level BPE with one special token, which ends texts; no BOS."""
    return tokenizer_of(byte_level(["<|endoftext|>"]), eos_token="<|endoftext|>")


def byte_level(special):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


@pytest.fixture(params=[like_llama_3, like_llama_2, like_gpt_2])
def tokenizer(request, tmp_path):
    from transformers import PreTrainedTokenizerFast

    def tokenizer_of(backend, **special):
        PreTrainedTokenizerFast(tokenizer_object=backend, **special).save_pretrained(tmp_path)
        return load_tokenizer(tmp_path)

    return request.param(tokenizer_of)


def test_one_bos_at_the_start_and_one_supervised_eos_at_the_end(tokenizer):
    (sequence,), over = encode_abstracts(tokenizer, [SENTENCES[0]], 512, "refuse", "here")
    assert over == 0
    assert sequence[-1] == tokenizer.eos_token_id
    assert (sequence == tokenizer.eos_token_id).sum() == 1
    if tokenizer.bos_token_id is not None:
        assert sequence[0] == tokenizer.bos_token_id
        assert (sequence == tokenizer.bos_token_id).sum() == 1
    labels = collate([sequence], [[0]], tokenizer.pad_token_id)["labels"][0]
    assert labels[len(sequence) - 1] == tokenizer.eos_token_id
    assert (labels[len(sequence) :] == IGNORED).all()


def test_every_token_but_the_first_is_supervised_once_where_pad_is_eos(tokenizer):
    sequences, _ = encode_abstracts(tokenizer, SENTENCES, 512, "refuse", "here")
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    labels = collate(sequences, [[0, 1], [2, 3, 4]], tokenizer.pad_token_id)["labels"]
    assert (labels != IGNORED).sum() == sum(len(sequence) - 1 for sequence in sequences)
    assert (labels == tokenizer.eos_token_id).sum() == len(SENTENCES)


def test_training_and_evaluation_agree_up_to_the_eos(tokenizer):
    training, evaluation = encode(tokenizer, SENTENCES, eos=True), encode(tokenizer, SENTENCES, eos=False)
    assert training == [[*tokens, tokenizer.eos_token_id] for tokens in evaluation]
    convention = token_conventions(tokenizer)["training"]
    assert convention == ("BOS text EOS" if tokenizer.bos_token else "text EOS")


def test_special_tokens_in_the_text_of_an_abstract_are_plain_characters(tokenizer):
    (sequence,), _ = encode_abstracts(tokenizer, [f"a {tokenizer.eos_token} b"], 512, "refuse", "here")
    assert (sequence == tokenizer.eos_token_id).sum() == 1


def test_abstracts_that_are_too_long_are_refused_dropped_or_truncated(tokenizer):
    texts = [SENTENCES[0], " ".join(SENTENCES)]
    whole, _ = encode_abstracts(tokenizer, texts, None, "refuse", "here")
    limit = len(whole[0])
    with pytest.raises(FeynTuneError, match=f"here: 1 of 2 abstracts have more than {limit} tokens .*too_long"):
        encode_abstracts(tokenizer, texts, limit, "refuse", "here")
    kept, over = encode_abstracts(tokenizer, texts, limit, "drop", "here")
    assert (len(kept), over) == (1, 1)
    cut, over = encode_abstracts(tokenizer, texts, limit, "truncate", "here")
    assert (cut[1].tolist(), over) == (whole[1][:limit].tolist(), 1)
    assert cut[1][-1] != tokenizer.eos_token_id


def test_dropping_every_abstract_is_an_error(tokenizer):
    with pytest.raises(FeynTuneError, match="every abstract has more than 3 tokens"):
        encode_abstracts(tokenizer, SENTENCES, 3, "drop", "here")


def test_a_sample_depends_on_the_seed_only_and_keeps_the_order():
    sequences = [np.array([number]) for number in range(100)]
    chosen = sample(sequences, 10, seed=1)
    assert len(chosen) == 10 and chosen == sorted(chosen)
    assert chosen == sample(sequences, 10, seed=1) != sample(sequences, 10, seed=2)
    assert sample(sequences, None, 1) is sample(sequences, 100, 1) is sequences


@pytest.mark.parametrize("training, steps", [({"max_steps": 5}, 5), ({"max_steps": None, "num_train_epochs": 2.5}, 19)])
def test_steps_by_number_or_from_epochs(training, steps):
    from feyntune.config.schema.training import TrainingStage

    assert step_count(TrainingStage.model_validate(settings(training=training)).training, rows=30) == steps


def test_samples_cost_a_small_fraction_of_the_training_by_default(tiny_model, tmp_path):
    given = settings(training={"max_steps": None, "num_train_epochs": 4, "evaluation": {"times": 9}})
    data = load_training_data(
        training_job(tiny_model, write_data(tmp_path, rows=400), tmp_path, given), load_tokenizer(tiny_model), 256
    )
    assert len(data.train_sample) == 8  # a twentieth of 1,600 forward passes over ten evaluations
    assert len(data.test_sample) == 8
    assert len(data.control_prompts) == 3


def test_seeds_of_a_run_are_evaluated_on_the_same_samples(tiny_model, tmp_path):
    folder, tokenizer = write_data(tmp_path, rows=60), load_tokenizer(tiny_model)

    def samples(**seeds):
        given = settings(**seeds, training={"evaluation": {"test_rows": 4, "train_rows": 5}})
        data = load_training_data(training_job(tiny_model, folder, tmp_path, given), tokenizer, 256)
        return [list(each) for each in (*data.test_sample, *data.train_sample)]

    assert samples(seed=1, evaluation_seed=42) == samples(seed=2, evaluation_seed=42) == samples(seed=42)
    assert samples(seed=1) != samples(seed=2)


@pytest.mark.parametrize(
    "column, message", [(["ok", "  "], "the abstract of 2 is empty"), ([], "contains no abstracts; choose a dataset")]
)
def test_invalid_splits_give_errors_of_one_line(tiny_model, tmp_path, column, message):
    write_data(tmp_path)
    table = pyarrow.table(
        {"id": [str(1 + row) for row in range(len(column))], "abstract": pyarrow.array(column, "str")}
    )
    pyarrow.parquet.write_table(table, tmp_path / "train.parquet")
    with pytest.raises(FeynTuneError, match=message):
        load_training_data(training_job(tiny_model, tmp_path, tmp_path), load_tokenizer(tiny_model), 256)
