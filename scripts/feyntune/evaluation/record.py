"""The record that results of an evaluated model carry, and the fingerprint under which unfinished work is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.config.schema.evaluated import EvaluationStage
from feyntune.core.hashing import content_hash, json_digest
from feyntune.core.kept import KeptResults, adapter_digests, file_digest, fingerprint, folder_digest
from feyntune.core.provenance import provenance
from feyntune.models.tokenizer import token_conventions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def evaluation_record(tokenizer: PreTrainedTokenizerBase, stage: EvaluationStage, **more: Any) -> dict[str, Any]:
    """Provenance of a result: versions, token conventions, settings, and whatever else is given as ``more``."""
    return {
        **provenance(),
        "token_conventions": token_conventions(tokenizer),
        "settings": stage.model_dump(mode="json"),
        **more,
    }


def kept_results(
    folder: Path | None, code: str, stage: EvaluationStage, base: Path, adapter: Path | None, dataset: Path
) -> KeptResults | None:
    """The finished results of an evaluation that are kept; None without a ``folder``.

    Args:
        folder: where they are kept.
        code: fingerprint of the program's code.
        stage: settings of the job.
        base: folder of the base model.
        adapter: folder of the adapter, or None.
        dataset: file with the abstracts.
    """
    if folder is None:
        return None
    inputs = {"base": folder_digest(base), **adapter_digests(adapter), "dataset": file_digest(dataset)}
    return KeptResults(folder, fingerprint(code, stage.model_dump(mode="json"), inputs))


def job_fingerprint(
    code: str, stage: EvaluationStage, base: Path, adapter: Path | None, sequences: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """What unfinished work depends on; under another fingerprint it starts again.

    Args:
        code: fingerprint of the program's code.
        stage: settings of the job.
        base: folder of the base model.
        adapter: folder of the adapter, or None.
        sequences: token ids of the job's input.
    """
    return {
        "code": code,
        "settings": stage.model_dump(mode="json"),
        "weights": content_hash(base, *filter(None, [adapter])),
        "data": json_digest(sequences),
    }
