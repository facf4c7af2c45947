"""Similarity in meaning: cosines of sentence embeddings of a completion and the true abstract.

SemScore (Aynetdinov and Akbik, arXiv:2401.17072) is this metric with the model all-mpnet-base-v2. The true texts are
embedded once for all runs.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import reason
from feyntune.core.integrity import check_recorded
from feyntune.core.schema import Source
from feyntune.evaluation.metrics.base import Abstracts, Column, Completions, Metric, MetricSettings, Values

if TYPE_CHECKING:
    import numpy
    from sentence_transformers import SentenceTransformer


class EmbeddingSettings(MetricSettings, Source):
    """A sentence-embedding model that sentence-transformers loads."""

    max_length: int | None = Field(None, ge=8)
    """Longest text in the model's tokens; null means the model's own limit."""
    pooling: Literal["mean", "cls", "lasttoken"] | None = None
    """How a plain transformer's token embeddings become one embedding; null means as `modules.json` says, the file of
    sentence-transformers."""
    adapter: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Subfolder of the model with a PEFT adapter to use, such as `text_matching`; null means none."""
    trust_remote_code: bool = False
    """Let the repository's own Python run: only a repository and a revision that you have named, and read."""
    batch_size: int = Field(64, ge=1)
    """Texts at a time; changes speed and memory, and results by rounding only."""

    @model_validator(mode="after")
    def _named_code(self) -> "EmbeddingSettings":
        if self.trust_remote_code and not self.hub:
            raise ValueError("'trust_remote_code' is for repositories named by 'hub' and 'revision'")
        if self.trust_remote_code and self.pooling:
            raise ValueError("'pooling' is for architectures of transformers: leave out 'trust_remote_code'")
        return self


class Embedding(Metric[EmbeddingSettings]):
    """Cosines of sentence embeddings: of whole texts, as in the reference, and of continuations without the prompt."""

    settings_schema = EmbeddingSettings
    prepares = True
    truncates = True
    columns = (
        Column(
            name="score",
            title="{metric}",
            key="{metric}",
            direction="higher",
            description="Cosine of the sentence embeddings of the abstract and of the completion. Both begin with the"
            " same prompt, so it is high for any completion.",
            lowest=-1,
            highest=1,
        ),
        Column(
            name="score_continuation",
            title="{metric} of continuation",
            key="{metric}_continuation",
            direction="higher",
            headline=True,
            description="Cosine of the sentence embeddings of what the authors wrote after the prompt and of what the"
            " model wrote; 1 for equal texts, near 0 for unrelated ones.",
            lowest=-1,
            highest=1,
            in_reference_schema=False,
        ),
    )

    @functools.cached_property
    def embedder(self) -> "SentenceEmbedder":
        """The model, loaded when it is used first."""
        if self.model is None:
            raise FeynTuneError("--model: name the folder of the sentence-embedding model")
        return SentenceEmbedder(self.model, self.settings)

    def prepare(self, abstracts: Abstracts) -> "dict[str, numpy.ndarray]":
        """Embeddings (N×D) of the abstracts and of their second halves, and which of them are cut (N bool)."""
        whole, whole_cut = self.embedder.embed(abstracts.abstracts)
        rest, rest_cut = self.embedder.embed(abstracts.continuations)
        return {"abstract": whole, "truncated": whole_cut, "y_true": rest, "y_true_truncated": rest_cut}

    def score(self, completions: Completions, reference: "Mapping[str, numpy.ndarray]") -> Values:
        """Cosines of abstract with completion and of ``y_true`` with prediction; whether one of the four was cut."""
        whole, whole_cut = self.embedder.embed(completions.completions)
        rest, rest_cut = self.embedder.embed(completions.predictions)
        return {
            "score": cosines(reference["abstract"], whole),
            "score_continuation": cosines(reference["y_true"], rest),
            "truncated": whole_cut | rest_cut | reference["truncated"] | reference["y_true_truncated"],
        }

    def provenance(self) -> dict[str, str]:
        """The device that the model ran on, if it could be loaded."""
        from feyntune.core.provenance import device_name

        loaded = "embedder" in vars(self)
        return {"device": device_name(self.embedder.model.device)} if loaded else {}


class SentenceEmbedder:
    """A sentence-transformers model, loaded from a folder, offline.

    Args:
        folder: where the model is.
        settings: the metric's settings.

    Raises:
        FeynTuneError: the folder holds no such model, one that lacks weights, or one without a limit that
            ``max_length`` could set.
    """

    def __init__(self, folder: Path, settings: EmbeddingSettings) -> None:
        try:
            check_recorded(Path(folder))
            self.model = _load(Path(folder), settings)
            check_weights(self.model, Path(folder))
            if settings.adapter:
                _load_adapter(self.model, Path(folder), settings.adapter)
        except (MemoryError, FeynTuneError):
            raise
        except Exception as error:  # each of its modules raises its own
            raise FeynTuneError(f"{folder}: cannot be loaded ({reason(error)}); compare it with its source") from error
        self.batch_size = settings.batch_size
        if settings.max_length:
            self._limit(settings.max_length, folder)

    def _limit(self, max_length: int, folder: Path) -> None:
        try:
            self.model.max_seq_length = max_length
        except AttributeError:
            raise FeynTuneError(f"{folder}: has no maximum length; leave out the metric's 'max_length'") from None

    def embed(self, texts: Sequence[str]) -> "tuple[numpy.ndarray, numpy.ndarray]":
        """Embeddings of texts (N×D float32), and which of them are longer than the model's limit (N bool)."""
        import numpy

        encoded = self.model.encode(list(texts), batch_size=self.batch_size, show_progress_bar=False)
        vectors = numpy.asarray(encoded, dtype=numpy.float32)
        if not numpy.isfinite(vectors).all():
            raise FeynTuneError("the metric's model gives embeddings that are not finite; copy its files again")
        return vectors, self._too_long(list(texts))

    def _too_long(self, texts: list[str]) -> "numpy.ndarray":
        import numpy

        limit = self.model.max_seq_length
        if limit is None or limit == numpy.inf:
            return numpy.zeros(len(texts), dtype=bool)
        tokens = self.model.tokenizer(texts, truncation=False, verbose=False)["input_ids"]
        return numpy.array([len(ids) > limit for ids in tokens])


def check_weights(model: "SentenceTransformer", folder: Path) -> None:
    """Refuse a model whose files lack weights: transformers would make them up at random.

    The weights of a pooler may be missing, because sentence-transformers pools by itself.

    Raises:
        FeynTuneError: a weight is missing.
    """
    listed = folder / "modules.json"
    paths = [each["path"] for each in json.loads(listed.read_text(encoding="utf-8"))] if listed.is_file() else ["", ""]
    for path, module in zip(paths, model, strict=True):
        inner: Any = getattr(module, "auto_model", None)
        if not type(inner).__module__.startswith("transformers."):  # a repository's own code loads as it likes
            continue
        _, report = type(inner).from_pretrained(  # without data, on the device "meta"
            folder / path, config=inner.config, device_map="meta", output_loading_info=True, local_files_only=True
        )
        missing = sorted(name for name in report["missing_keys"] if "pooler." not in name)
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise FeynTuneError(f"{folder}: its weights lack {missing[0][-70:]}{more}; compare it with its source")


def _load(folder: Path, settings: EmbeddingSettings) -> "SentenceTransformer":
    """The model with fp32 weights, as the reference computes: transformers would take the type of the file."""
    file = "config.json" if settings.pooling else "modules.json"
    if not (folder / file).is_file():
        remedy = "name a folder that sentence-transformers has saved, or set the metric's 'pooling'"
        raise FeynTuneError(f"{folder}: no {file} there; {remedy}")
    import torch
    from sentence_transformers import SentenceTransformer

    from feyntune.core.gpus import pick_device

    device = str(pick_device())
    options: dict[str, Any] = {"dtype": torch.float32}
    if not settings.pooling:
        trust = settings.trust_remote_code
        return SentenceTransformer(
            str(folder), device=device, trust_remote_code=trust, local_files_only=True, model_kwargs=options
        )
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    local = {"local_files_only": True}
    transformer = Transformer(str(folder), model_kwargs=options | local, processor_kwargs=local, config_kwargs=local)
    pooling = Pooling(transformer.get_embedding_dimension(), settings.pooling)
    return SentenceTransformer(modules=[transformer, pooling], device=device)


def _load_adapter(model: "SentenceTransformer", folder: Path, name: str) -> None:
    """Load a PEFT adapter from a subfolder of the model's, and make it the active one."""
    if not (folder / name / "adapter_model.safetensors").is_file():
        known = ", ".join(sorted(path.parent.name for path in folder.glob("*/adapter_model.safetensors"))) or "none"
        raise FeynTuneError(f"{folder}: no adapter {name!r}; correct the metric's 'adapter': there is {known}")
    transformer = model.transformers_model
    if transformer is None:
        raise FeynTuneError(f"{folder}: no transformer that could have an adapter; leave out the metric's 'adapter'")
    loaded = transformer.load_adapter(str(folder / name), adapter_name=name)
    if loaded.missing_keys or loaded.unexpected_keys:
        wrong = sorted(loaded.missing_keys | loaded.unexpected_keys)
        raise FeynTuneError(
            f"{folder / name}: {len(wrong)} weights do not fit this model, {wrong[0][-60:]}; name its own adapter"
        )
    model.eval()


def cosines(left: "numpy.ndarray", right: "numpy.ndarray") -> "numpy.ndarray":
    """Cosine of each row of ``left`` with the same row of ``right`` (N×D each), in fp64; 0 where one has norm zero.

    An empty text may have the embedding zero: it is similar to nothing.
    """
    import numpy

    left, right = left.astype(numpy.float64), right.astype(numpy.float64)
    norms = numpy.linalg.norm(left, axis=1) * numpy.linalg.norm(right, axis=1)
    products = (left * right).sum(axis=1)
    return numpy.divide(products, norms, out=numpy.zeros_like(norms), where=norms > 0)
