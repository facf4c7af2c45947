"""How near completions come to the true abstracts: cosines of sentence embeddings (SemScore, arXiv:2401.17072).

What the authors wrote is embedded once for all runs, what a run wrote once for that run.
"""

import json
from pathlib import Path

import numpy as np

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import written_whole
from feyntune.core.ids import examples
from feyntune.core.provenance import device_name, provenance

TENSORS = ("abstract", "abstract_truncated", "y_true", "y_true_truncated")
"""What is kept of the truth: embeddings, and which texts were cut for them."""


class SentenceEmbedder:
    """A sentence-transformers model, loaded from a folder, offline.

    Args:
        folder: where the model is.
        settings: ``settings.metrics.Metric``.

    Raises:
        FeynTuneError: the folder holds no such model, or one without a limit that ``max_length`` could set.
    """

    def __init__(self, folder, settings):
        if not (Path(folder) / "modules.json").is_file():
            raise FeynTuneError(f"{folder}: no modules.json there; name a folder that sentence-transformers has saved")
        from sentence_transformers import SentenceTransformer

        from feyntune.models.load import pick_device

        trust = settings.trust_remote_code
        device = str(pick_device())
        self.model = SentenceTransformer(str(folder), device=device, trust_remote_code=trust, local_files_only=True)
        self.batch_size = settings.batch_size
        if settings.max_length:
            self._limit(settings.max_length, folder)

    def _limit(self, max_length, folder):
        try:
            self.model.max_seq_length = max_length
        except AttributeError:
            raise FeynTuneError(f"{folder}: has no maximum length; leave out the metric's 'max_length'") from None

    def embed(self, texts):
        """Embeddings of texts (N×D float32), and which of them are longer than the model can take in (N bool)."""
        vectors = self.model.encode(texts, batch_size=self.batch_size, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32), self._too_long(texts)

    def _too_long(self, texts):
        limit = self.model.max_seq_length
        if limit is None or limit == np.inf:
            return np.zeros(len(texts), dtype=bool)
        tokens = self.model.tokenizer(texts, truncation=False, verbose=False)["input_ids"]
        return np.array([len(ids) > limit for ids in tokens])


def embedding_record(embedder, stage):
    """What a result that ``embedder`` made under the settings ``stage`` carries with it."""
    return {**provenance(), "device": device_name(embedder.model.device), "settings": stage.model_dump(mode="json")}


def cosines(left, right):
    """Cosine of each row of ``left`` with the same row of ``right`` (N×D each), in fp64; 0 where one has norm zero.

    An empty text may have the embedding zero: it is like nothing.
    """
    left, right = left.astype(np.float64), right.astype(np.float64)
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    products = (left * right).sum(axis=1)
    return np.divide(products, norms, out=np.zeros_like(norms), where=norms > 0)


def write_truth(path, ids, abstracts, rests, record):
    """Write the embedded abstracts and their second halves, as safetensors with ids and ``record`` in the metadata.

    Args:
        path: file to write.
        ids: names of the abstracts.
        abstracts: what ``SentenceEmbedder.embed`` gave for the whole abstracts.
        rests: the same for what follows the prompts.
        record: JSON-able provenance.
    """
    from safetensors.numpy import save

    tensors = dict(zip(TENSORS, [*abstracts, *rests], strict=True))
    # One entry: the order of several is not the same in every process.
    metadata = {"feyntune": json.dumps({"ids": ids, **record}, sort_keys=True)}
    with written_whole(path) as aside:
        aside.write_bytes(save(tensors, metadata))


def read_truth(path):
    """Read ``write_truth``'s ids and its dict of arrays.

    Raises:
        FeynTuneError: no such file, or not one of ``embed_truth.py``.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            ids = json.loads(file.metadata()["feyntune"])["ids"]
            return ids, {name: file.get_tensor(name) for name in TENSORS}
    except FileNotFoundError:
        raise FeynTuneError(f"{path}: no such file") from None
    except (SafetensorError, KeyError, TypeError) as error:
        raise FeynTuneError(f"{path}: not a file of embed_truth.py ({error}); delete it and run again") from None


def match_ids(ids, truth_ids, place):
    """Positions of the truths that belong to ``ids``.

    Raises:
        FeynTuneError: the completions at ``place`` are not of exactly these abstracts.
    """
    missing, unknown = sorted(set(truth_ids) - set(ids)), sorted(set(ids) - set(truth_ids))
    if missing or unknown or len(ids) != len(truth_ids):
        fault = f"none for {examples(missing)}" if missing else f"some for {examples(unknown) or 'an abstract twice'}"
        raise FeynTuneError(f"{place}: its completions are not those of the evaluation set: {fault}; complete again")
    positions = {name: position for position, name in enumerate(truth_ids)}
    return [positions[name] for name in ids]


def score_table(ids, completions, predictions, truth, embedder):
    """Scores of one run's completions.

    Args:
        ids: names of the abstracts.
        completions: prompts with what the model wrote behind them.
        predictions: what the model wrote.
        truth: dict of ``read_truth``, its rows in the order of ``ids``.
        embedder: a ``SentenceEmbedder``.

    Returns:
        A pyarrow table ``id, score, score_continuation, truncated``: the cosine of abstract and completion, which share
        the prompt; that of ``y_true`` and prediction, which share nothing; and whether one of the four was cut.
    """
    import pyarrow

    whole, whole_cut = embedder.embed(completions)
    rest, rest_cut = embedder.embed(predictions)
    cut = whole_cut | rest_cut | truth["abstract_truncated"] | truth["y_true_truncated"]
    columns = {
        "id": pyarrow.array(ids, pyarrow.string()),
        "score": cosines(truth["abstract"], whole),
        "score_continuation": cosines(truth["y_true"], rest),
        "truncated": cut,
    }
    return pyarrow.table(columns)
