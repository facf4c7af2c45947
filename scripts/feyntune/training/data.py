"""Training data: abstracts and control prompts as token ids of limited length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feyntune.core.cli import say
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table
from feyntune.core.ids import check_unique, examples
from feyntune.data.prompts import split_abstract
from feyntune.data.schema import TEXTS
from feyntune.models.tokenizer import encode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from feyntune.config.schema.training import Training
    from feyntune.training.job import TrainingJob


@dataclass(frozen=True)
class ControlPrompt:
    """The first half of a control paper's abstract, which the model completes at each evaluation."""

    id: str
    """arXiv id of the paper."""
    prompt: str
    """The text."""
    tokens: list[int]
    """Its token ids."""


@dataclass(frozen=True)
class TrainingData:
    """Sequences are int32 arrays of token ids: BOS (if the tokenizer has one), text, EOS."""

    train: list[np.ndarray]
    """Sequences of the training split."""
    test_sample: list[np.ndarray]
    """Sequences of the run's own test split, or of a sample of it."""
    train_sample: list[np.ndarray]
    """Sequences of a sample of the training split."""
    control_prompts: list[ControlPrompt]
    """Control prompts."""
    too_long: dict[str, int]
    """How many abstracts of ``train``, of ``test`` and of ``validation`` (if read) exceeded the length limit."""
    validation_sample: list[np.ndarray] = field(default_factory=list)
    """Sequences of the run's own validation split, or of a sample of it; none if it does not decide anything."""

    @property
    def lengths(self) -> np.ndarray:
        """Tokens in each sequence of the training split, shape (abstracts,)."""
        return np.array([len(sequence) for sequence in self.train])


def load_training_data(job: TrainingJob, tokenizer: PreTrainedTokenizerBase, longest: int | None) -> TrainingData:
    """Read and encode the splits and the control prompts.

    Args:
        job: the training.
        tokenizer: from ``load_tokenizer``.
        longest: most tokens in a sequence, special tokens included; None: no limit.

    Raises:
        FeynTuneError: a file is not valid, or abstracts are too long and the settings refuse them.
    """
    training, seed = job.settings.training, job.settings.seed_of_evaluations
    train, train_over = _read_split(tokenizer, job.train, longest, training.too_long)
    test, test_over = _read_split(tokenizer, job.test, longest, training.too_long)
    auto = _auto_sample_size(training, len(train))
    counts = training.evaluation.test_rows, training.evaluation.train_rows
    test_rows, train_rows = (auto if count == "auto" else count for count in counts)
    validation: list[np.ndarray] = []
    too_long = {"train": train_over, "test": test_over}
    if job.validation:
        validation, too_long["validation"] = _read_split(tokenizer, job.validation, longest, training.too_long)
    return TrainingData(
        train=train,
        test_sample=sample(test, test_rows, seed),
        train_sample=sample(train, train_rows, seed),
        validation_sample=sample(validation, test_rows, seed),
        control_prompts=_read_control_prompts(
            tokenizer, job.control_prompts, training.evaluation.control_prompts, longest
        ),
        too_long=too_long,
    )


def step_count(training: Training, rows: int) -> int:
    """Number of steps: ``max_steps``, or from the epochs; the next pass over the data fills up the last batch."""
    return training.max_steps or int(np.ceil(training.num_train_epochs * rows / training.batch_size))


def _auto_sample_size(training: Training, rows: int) -> int:
    """Abstracts in each of two samples, so that evaluating both takes at most a twentieth of the training's time.

    A training step costs at least two forward passes: the frozen weights need no gradients.
    """
    trained_on = step_count(training, rows) * training.batch_size
    return max(1, round(0.05 * trained_on / (training.evaluation.times + 1)))


def _read_split(
    tokenizer: PreTrainedTokenizerBase, path: Path, longest: int | None, too_long: str
) -> tuple[list[np.ndarray], int]:
    sequences, over = encode_abstracts(tokenizer, _read_abstracts(path), longest, too_long, str(path))
    if over:
        action = {"drop": "dropped", "truncate": "truncated"}[too_long]
        total = over * (too_long == "drop") + len(sequences)
        say(f"{path}: {over} of {total} abstracts over {longest} tokens: {action}")
    return sequences, over


def _read_abstracts(path: Path) -> list[str]:
    table = read_table(path, TEXTS, texts=TEXTS)
    if not len(table):
        raise FeynTuneError(f"{path}: contains no abstracts; choose a dataset with more papers")
    for name, text in zip(table["id"].to_pylist(), table["abstract"].to_pylist(), strict=True):
        if not (text and text.strip()):
            raise FeynTuneError(f"{path}: the abstract of {name} is empty; build the dataset again")
    return table["abstract"].to_pylist()


def encode_abstracts(
    tokenizer: PreTrainedTokenizerBase, abstracts: Sequence[str], longest: int | None, too_long: str, place: str
) -> tuple[list[np.ndarray], int]:
    """Encode abstracts for training, and treat those over ``longest`` tokens as ``too_long`` says.

    Args:
        tokenizer: from ``load_tokenizer``.
        abstracts: the texts.
        longest: most tokens in a sequence, special tokens included; None: no limit.
        too_long: ``refuse``, ``drop`` or ``truncate`` (which keeps the beginning and adds no EOS).
        place: where the abstracts come from, for error messages.

    Returns:
        The sequences (int32 arrays), and how many were too long.

    Raises:
        FeynTuneError: some are too long and refused, or all of them are dropped.
    """
    sequences = [np.array(tokens, dtype=np.int32) for tokens in encode(tokenizer, abstracts, eos=True)]
    longest = longest or max(map(len, sequences))
    over = sum(len(tokens) > longest for tokens in sequences)
    if over and too_long == "refuse":
        raise FeynTuneError(
            f"{place}: {over} of {len(sequences)} abstracts have more than {longest} tokens (the longest has"
            f" {max(map(len, sequences))}); set training.too_long to 'drop' or 'truncate', or raise training.max_length"
        )
    if too_long == "drop":
        sequences = [tokens for tokens in sequences if len(tokens) <= longest]
    if not sequences:
        raise FeynTuneError(f"{place}: every abstract has more than {longest} tokens; raise training.max_length")
    return [tokens[:longest] for tokens in sequences], over


def sample(sequences: list[np.ndarray], count: int | None, seed: int) -> list[np.ndarray]:
    """``count`` of the sequences, drawn without replacement, in their order; all if None or too many."""
    if count is None or count >= len(sequences):
        return sequences
    chosen = np.random.default_rng(seed).choice(len(sequences), count, replace=False)
    return [sequences[number] for number in sorted(chosen)]


def _read_control_prompts(
    tokenizer: PreTrainedTokenizerBase, path: Path, count: int, longest: int | None
) -> list[ControlPrompt]:
    papers = read_table(path, TEXTS, texts=TEXTS).slice(0, count).to_pylist()
    check_unique([paper["id"] for paper in papers], path)
    empty = [paper["id"] for paper in papers if not (paper["abstract"] or "").strip()]
    if empty:
        raise FeynTuneError(f"{path}: the abstract of {examples(empty)} is empty; remove it from control_papers")
    prompts = [split_abstract(paper["abstract"])[0] for paper in papers]
    encoded = encode(tokenizer, prompts, eos=False)
    for paper, tokens in zip(papers, encoded, strict=True):
        if longest and len(tokens) >= longest:
            raise FeynTuneError(
                f"{path}: half of {paper['id']} has {len(tokens)} tokens, and the limit is {longest};"
                " remove it from control_papers"
            )
    return [
        ControlPrompt(paper["id"], prompt, tokens)
        for paper, prompt, tokens in zip(papers, prompts, encoded, strict=True)
    ]
