"""The embedding metric: similarities of completions with true abstracts."""

import json
import shutil

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from pydantic import ValidationError
from safetensors.numpy import load_file, save_file

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table
from feyntune.data.prompts import split_abstract
from feyntune.evaluation.metric_jobs import read_reference, write_reference
from feyntune.evaluation.metrics.embedding import EmbeddingSettings, SentenceEmbedder, cosines
from support.damage import DAMAGES, damage, refusal
from support.programs import load_program

prepare_metric = load_program("prepare_metric")
program = load_program("metric")

SETTINGS = EmbeddingSettings(path="here")


@pytest.fixture(scope="module")
def static_metric_model(tmp_path_factory, abstracts):
    """A metric of static word vectors, without any limit on the length."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(
        abstracts[1], trainers.WordLevelTrainer(special_tokens=["<unk>"], show_progress=False)
    )
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("metrics") / "static"
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=16)], device="cpu").save(str(folder))
    return folder


@pytest.fixture(scope="module")
def bert_metric_model(tmp_path_factory, static_metric_model):
    """A metric with attention, mean pooling, and a limit of 32 tokens."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    source = tmp_path_factory.mktemp("metrics") / "bert"
    bare = Tokenizer.from_file(str(static_metric_model / "tokenizer.json"))
    bare.add_special_tokens(["[PAD]"])
    PreTrainedTokenizerFast(tokenizer_object=bare, pad_token="[PAD]", model_max_length=32).save_pretrained(source)
    config = BertConfig(
        vocab_size=bare.get_vocab_size(), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(source)
    transformer = Transformer(str(source))
    folder = source.with_name("bert_metric_model")
    SentenceTransformer(modules=[transformer, Pooling(16)], device="cpu").save(str(folder))
    return folder


@pytest.fixture
def completions(tmp_path, abstracts):
    """A run's completions: one is the truth, one is empty, the others another abstract's second half."""
    ids, texts = abstracts
    halves = [split_abstract(text) for text in texts]
    predictions = [f" {halves[number - 3][1]}" for number in range(12)]
    predictions[0], predictions[1] = f" {halves[0][1]}", ""
    table = {
        "id": ids,
        "prompt": [prompt for prompt, _ in halves],
        "y_true": [rest for _, rest in halves],
        "prediction": predictions,
        "completion": [prompt + prediction for (prompt, _), prediction in zip(halves, predictions, strict=True)],
    }
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "completions.parquet")
    return tmp_path / "completions.parquet"


def run(parse, folder, metric, dataset, completions, limit=None, **settings):
    """Run both programs; returns the table."""
    settings = {"kind": "embedding", "path": "here", **settings}
    stage = json.dumps({"metric": settings, "limit": limit})
    prepare_metric.main(
        parse(prepare_metric, dataset=dataset, model=metric, settings=stage, output=folder / "reference.safetensors")
    )
    options = parse(
        program, completions=completions, reference=folder / "reference.safetensors", model=metric,
        settings=json.dumps({"metric": settings}), output=folder / "scores.parquet",
    )  # fmt: skip
    program.main(options)
    return read_table(folder / "scores.parquet")


def test_cosines_by_hand():
    left, right = np.array([[3.0, 4], [1, 0], [0, 0], [1, 1]]), np.array([[4.0, 3], [0, 2], [1, 1], [-2, -2]])
    assert cosines(left, right).tolist() == pytest.approx([24 / 25, 0, 0, -1])


def test_scores_are_those_of_the_texts(tmp_path, parse, static_metric_model, dataset, completions, abstracts):
    table = run(parse, tmp_path, static_metric_model, dataset, completions)
    assert table.column_names == ["id", "score", "score_continuation", "truncated"]
    embedder = SentenceEmbedder(static_metric_model, SETTINGS)
    wrote = read_table(completions)["completion"].to_pylist()
    for row, abstract, completion in zip(table.to_pylist(), abstracts[1], wrote, strict=True):
        [[left, right], _] = embedder.embed([abstract, completion])
        assert row["score"] == pytest.approx(left @ right / np.linalg.norm(left) / np.linalg.norm(right), abs=1e-6)


def test_the_true_text_scores_one_and_an_empty_completion_is_counted(
    tmp_path, parse, static_metric_model, dataset, completions, capsys
):
    rows = run(parse, tmp_path, static_metric_model, dataset, completions).to_pylist()
    assert (rows[0]["score"], rows[0]["score_continuation"]) == (pytest.approx(1), pytest.approx(1))
    assert 0 < rows[1]["score"] < 1
    assert rows[1]["score_continuation"] == 0
    assert "1 of 12 completions are empty: scored as they are" in capsys.readouterr().out
    record = json.loads(pyarrow.parquet.read_schema(tmp_path / "scores.parquet").metadata[b"feyntune"])
    assert record["empty"] == 1


def test_the_order_of_the_completions_does_not_matter(tmp_path, parse, static_metric_model, dataset, completions):
    straight = run(parse, tmp_path, static_metric_model, dataset, completions).to_pylist()
    table = read_table(completions)
    pyarrow.parquet.write_table(table.take(list(range(11, -1, -1))), completions)
    turned = run(parse, tmp_path, static_metric_model, dataset, completions).to_pylist()
    assert turned[::-1] == [{**row, "score": pytest.approx(row["score"])} for row in straight]


def test_truncated_texts_are_flagged(tmp_path, parse, bert_metric_model, dataset, completions, abstracts, capsys):
    table = run(parse, tmp_path, bert_metric_model, dataset, completions)
    tokenizer = SentenceEmbedder(bert_metric_model, SETTINGS).model.tokenizer
    long = [len(tokenizer(text)["input_ids"]) > 32 for text in abstracts[1]]
    assert 0 < sum(long) < 12
    cut = table["truncated"].to_pylist()
    assert all(flag for flag, over in zip(cut, long, strict=True) if over)
    assert not all(cut)
    assert (
        f"{sum(long)} of 12 abstracts are longer than the metric's limit and are truncated" in capsys.readouterr().out
    )


def test_a_maximum_length_is_respected(bert_metric_model, abstracts):
    short = SentenceEmbedder(bert_metric_model, EmbeddingSettings(path="here", max_length=8))
    eight = "We study strings on a curved background."
    vectors, cut = short.embed([f"{eight} Is the entropy finite?", eight, "We study strings"])
    assert cut.tolist() == [True, False, False]
    assert np.allclose(vectors[0], vectors[1], atol=1e-6)
    assert not np.allclose(vectors[1], vectors[2], atol=1e-2)


def test_a_maximum_length_that_the_metric_cannot_have_is_refused(static_metric_model):
    with pytest.raises(FeynTuneError, match="has no maximum length; leave out the metric's 'max_length'"):
        SentenceEmbedder(static_metric_model, EmbeddingSettings(path="here", max_length=8))


def test_a_folder_that_is_no_metric_model_is_refused(tmp_path):
    with pytest.raises(FeynTuneError, match=r"no modules\.json there"):
        SentenceEmbedder(tmp_path, SETTINGS)


def test_remote_code_runs_only_by_name_and_revision():
    with pytest.raises(ValidationError, match="named by 'hub' and 'revision'"):
        EmbeddingSettings(path="here", trust_remote_code=True)
    assert EmbeddingSettings(hub="a/b", revision="c", trust_remote_code=True).trust_remote_code


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (range(1, 12), "no row for 2401.00000"),
        ([*range(12), 0], "duplicate ids: 2401.00000"),
    ],
)
def test_completions_of_other_abstracts_are_refused(
    tmp_path, parse, static_metric_model, dataset, completions, rows, fault
):
    pyarrow.parquet.write_table(read_table(completions).take(list(rows)), completions)
    with pytest.raises(FeynTuneError, match=f"completions.parquet: {fault}"):
        run(parse, tmp_path, static_metric_model, dataset, completions)


def test_completions_of_more_abstracts_are_refused(tmp_path, parse, static_metric_model, dataset, completions):
    with pytest.raises(
        FeynTuneError, match=r"completions\.parquet: rows for .* which the evaluation set does not have"
    ):
        run(parse, tmp_path, static_metric_model, dataset, completions, limit=5)


def test_a_file_that_is_no_reference_is_an_error(tmp_path):
    with pytest.raises(FeynTuneError, match="no such file"):
        read_reference(tmp_path / "reference.safetensors")
    (tmp_path / "reference.safetensors").write_bytes(b"junk, and more of it")
    with pytest.raises(FeynTuneError, match=r"not a file of prepare_metric\.py"):
        read_reference(tmp_path / "reference.safetensors")


def test_the_same_reference_has_the_same_bytes(tmp_path):
    arrays = {"vectors": np.ones((2, 3), np.float32), "truncated": np.zeros(2, bool)}
    for number in range(12):
        write_reference(tmp_path / f"{number}.safetensors", ["a", "b"], arrays, {"metric": "x", "device": "y"})
    assert len({path.read_bytes() for path in tmp_path.glob("*.safetensors")}) == 1
    ids, read, record = read_reference(tmp_path / "0.safetensors")
    assert (ids, record) == (["a", "b"], {"metric": "x", "device": "y"})
    assert {name: array.tolist() for name, array in read.items()} == {
        name: array.tolist() for name, array in arrays.items()
    }


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "modules.json", "tokenizer.json"])
def test_a_damaged_metric_model_is_one_line(bert_metric_model, tmp_path, file, how):
    folder = shutil.copytree(bert_metric_model, tmp_path / "model")
    damage(folder / file, how)
    refusal(lambda: SentenceEmbedder(folder, SETTINGS), folder, "cannot be loaded (")


def renamed(tensors):
    return {name.replace("query", "question"): tensor for name, tensor in tensors.items()}


def without_pooler(tensors):
    return {name: tensor for name, tensor in tensors.items() if "pooler" not in name}


@pytest.mark.parametrize("edit", [renamed, lambda tensors: {}], ids=["renamed", "empty"])
def test_a_metric_model_that_lacks_weights_scores_nothing(bert_metric_model, tmp_path, edit):
    folder = edited(bert_metric_model, tmp_path, edit)
    refusal(lambda: SentenceEmbedder(folder, SETTINGS), folder, "its weights lack ")


def test_weights_of_a_pooler_may_be_missing(bert_metric_model, tmp_path):
    folder = edited(bert_metric_model, tmp_path, without_pooler)
    vectors, _ = SentenceEmbedder(folder, SETTINGS).embed(["one text"])
    assert (vectors == SentenceEmbedder(bert_metric_model, SETTINGS).embed(["one text"])[0]).all()


def edited(folder, tmp_path, edit):
    """A copy of a metric's model with other tensors."""
    copy = shutil.copytree(folder, tmp_path / "model")
    save_file(edit(load_file(copy / "model.safetensors")), copy / "model.safetensors", metadata={"format": "pt"})
    return copy


def test_a_number_that_changed_inside_a_reference_is_one_line(tmp_path):
    path = tmp_path / "set.safetensors"
    write_reference(path, ["a", "b"], {"abstract": np.ones((2, 30), np.float32)}, {"seed": 1})
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    refusal(lambda: read_reference(path), tmp_path, "set.safetensors: damaged: other numbers than were written")


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_reference_is_one_line(tmp_path, how):
    path = tmp_path / "set.safetensors"
    write_reference(path, ["a", "b"], {"abstract": np.ones((2, 30), np.float32)}, {"seed": 1})
    damage(path, how)
    refusal(lambda: read_reference(path), tmp_path, "set.safetensors: not a file of prepare_metric.py")
