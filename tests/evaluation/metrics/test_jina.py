"""jina-embeddings-v3 by transformers' own class, on a random model in the layout of its repository on the hub."""

import itertools

import numpy
import pytest
import torch

from feyntune.core.errors import FeynTuneError
from feyntune.evaluation.metrics.base import Abstracts, Completions
from feyntune.evaluation.metrics.embedding import Embedding, EmbeddingSettings, SentenceEmbedder

ADAPTERS = ("retrieval_query", "text_matching")
MAX_LENGTH = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_model):
    """Base weights in bfloat16 with a tokenizer, no file of sentence-transformers, and two adapters in subfolders."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoTokenizer, JinaEmbeddingsV3Config, JinaEmbeddingsV3Model

    folder = tmp_path_factory.mktemp("jina") / "model"
    tokenizer = AutoTokenizer.from_pretrained(tiny_model, pad_token="</s>", model_max_length=MAX_LENGTH)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = JinaEmbeddingsV3Config(vocab_size=len(tokenizer), max_position_embeddings=MAX_LENGTH + 2, **sizes)
    JinaEmbeddingsV3Model(config).to(torch.bfloat16).save_pretrained(folder)
    for name in ADAPTERS:
        lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "fc1", "fc2"], init_lora_weights=False)
        get_peft_model(JinaEmbeddingsV3Model.from_pretrained(folder), lora).save_pretrained(folder / name)
    return folder


def settings(adapter=None, **others):
    return EmbeddingSettings(path="here", pooling="mean", adapter=adapter, **others)


def expected(folder, texts, adapter=None):
    """Means of the last hidden states over the tokens of each text alone, by transformers and peft, in fp32."""
    from peft import PeftModel
    from transformers import AutoTokenizer, JinaEmbeddingsV3Model

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = JinaEmbeddingsV3Model.from_pretrained(folder, dtype=torch.float32)
    if adapter:
        model = PeftModel.from_pretrained(model, folder / adapter)
    rows = []
    with torch.no_grad():
        for text in texts:
            tokens = tokenizer(text, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
            rows.append(model.eval()(**tokens).last_hidden_state[0].mean(dim=0))
    return torch.stack(rows)


@pytest.mark.parametrize("adapter", [None, *ADAPTERS])
def test_embeddings_are_means_over_tokens_with_the_adapter_of_the_settings(folder, abstracts, adapter):
    _, texts = abstracts
    vectors, truncated = SentenceEmbedder(folder, settings(adapter)).embed(texts)
    numpy.testing.assert_allclose(vectors, expected(folder, texts, adapter), atol=1e-5)
    assert truncated.any() and vectors.dtype == numpy.float32


def test_adapters_change_the_score(folder, abstracts):
    """The score is the cosine of the independent embeddings, and another one with each adapter."""
    ids, texts = abstracts
    others = texts[1:] + texts[:1]
    scores = []
    for adapter in (None, *ADAPTERS):
        metric = Embedding(settings(adapter), folder)
        reference = metric.prepare(Abstracts(ids, texts, texts, texts))
        scores.append(metric.score(Completions(ids, texts, texts, others, others), reference)["score"])
        wanted = torch.cosine_similarity(expected(folder, texts, adapter), expected(folder, others, adapter))
        numpy.testing.assert_allclose(scores[-1], wanted, atol=1e-5)
    assert min(abs(left - right).max() for left, right in itertools.pairwise(scores)) > 1e-3


def test_a_wrong_adapter_is_one_line(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    known = r"no adapter 'separation'; correct .*: there is retrieval_query, text_matching"
    with pytest.raises(FeynTuneError, match=known):
        SentenceEmbedder(folder, settings("separation"))
    weights = load_file(folder / ADAPTERS[0] / "adapter_model.safetensors")
    weights.pop(next(iter(weights)))
    other = folder / "other"
    other.mkdir()
    (other / "adapter_config.json").write_text((folder / ADAPTERS[0] / "adapter_config.json").read_text())
    save_file(weights, other / "adapter_model.safetensors")
    with pytest.raises(FeynTuneError, match=r"other: 1 weights do not fit this model, layers\.0"):
        SentenceEmbedder(folder, settings("other"))


def test_without_pooling_a_plain_transformer_is_refused(folder):
    with pytest.raises(FeynTuneError, match=r"no modules\.json there; .* or set the metric's 'pooling'"):
        SentenceEmbedder(folder, EmbeddingSettings(path="here"))


def test_pooling_is_for_architectures_of_transformers():
    with pytest.raises(ValueError, match="leave out 'trust_remote_code'"):
        EmbeddingSettings(hub="a/b", revision="c", pooling="mean", trust_remote_code=True)
