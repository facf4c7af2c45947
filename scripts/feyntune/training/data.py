"""What a run trains on and is measured on: abstracts and control papers, as tokens of bounded length."""

from dataclasses import dataclass

import numpy as np

from feyntune.core.cli import say
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table
from feyntune.data.prompts import split_abstract
from feyntune.models.tokenizer import encode


@dataclass(frozen=True)
class ControlPrompt:
    """A control paper that is completed while the model learns."""

    id: str
    """Its arXiv id."""
    prompt: str
    """The first half of its abstract."""
    tokens: list
    """The prompt's token ids."""


@dataclass(frozen=True)
class Material:
    """Sequences are int32 arrays of token ids: BOS (if the tokenizer has one), text, EOS."""

    train: list
    """Sequences of the training split."""
    test_sample: list
    """Sequences of the run's own test split, or of a sample of it."""
    train_sample: list
    """Sequences of a sample of the training split."""
    control_prompts: list
    """Control papers."""
    too_long: dict
    """How many abstracts of ``train`` and of ``test`` had more tokens than the model or the setting allows."""

    @property
    def lengths(self):
        """Tokens in each sequence of the training split."""
        return np.array([len(sequence) for sequence in self.train])


def prepare(options, tokenizer, longest):
    """Read and encode both splits and the control papers.

    Args:
        options: of ``train.py``.
        tokenizer: from ``load_tokenizer``.
        longest: most tokens in a sequence, special tokens included; None if there is no limit.

    Raises:
        FeynTuneError: a file is not what it should be, or abstracts are too long and to be refused.
    """
    stage = options.settings
    training = stage.training
    train, train_over = _split(tokenizer, options.train, longest, training.too_long)
    test, test_over = _split(tokenizer, options.test, longest, training.too_long)
    fair = _fair_sample(training, len(train))
    counts = training.evaluation.test_rows, training.evaluation.train_rows
    test_rows, train_rows = (fair if count == "auto" else count for count in counts)
    return Material(
        train=train,
        test_sample=sample(test, test_rows, stage.seed),
        train_sample=sample(train, train_rows, stage.seed),
        control_prompts=_control_prompts(
            tokenizer, options.control_prompts, training.evaluation.control_prompts, longest
        ),
        too_long={"train": train_over, "test": test_over},
    )


def steps_of(training, rows):
    """Number of steps: as set, or as the epochs make it, the last batch being filled up from one more pass."""
    return training.max_steps or int(np.ceil(training.num_train_epochs * rows / training.batch_size))


def _fair_sample(training, rows):
    """Abstracts in each of two samples whose forward passes take a twentieth of the training's, or less.

    A training step is worth at least two forward passes: the frozen weights need no gradients of their own.
    """
    trained_on = steps_of(training, rows) * training.batch_size
    return max(1, round(0.05 * trained_on / (training.evaluation.times + 1)))


def _split(tokenizer, path, longest, too_long):
    sequences, over = encode_abstracts(tokenizer, _abstracts(path), longest, too_long, path)
    if over:
        said = {"drop": "left out", "truncate": "cut"}[too_long]
        say(f"{path}: {over} of {over * (too_long == 'drop') + len(sequences)} abstracts over {longest} tokens: {said}")
    return sequences, over


def _abstracts(path):
    table = read_table(path, ["id", "abstract"])
    if not len(table):
        raise FeynTuneError(f"{path}: no abstracts in it; choose a dataset with more papers")
    for name, text in zip(table["id"].to_pylist(), table["abstract"].to_pylist(), strict=True):
        if not (text and text.strip()):
            raise FeynTuneError(f"{path}: the abstract of {name} is empty; make the dataset again")
    return table["abstract"].to_pylist()


def encode_abstracts(tokenizer, abstracts, longest, too_long, place):
    """Encode abstracts for training, and treat those over ``longest`` tokens as ``too_long`` says.

    Args:
        tokenizer: from ``load_tokenizer``.
        abstracts: list of strings.
        longest: most tokens in a sequence, special tokens included; None if there is no limit.
        too_long: ``refuse``, ``drop`` or ``truncate`` (which keeps the beginning, and has no EOS: the text goes on).
        place: where the abstracts come from, for messages.

    Returns:
        The sequences (list of int32 arrays), and how many were too long.

    Raises:
        FeynTuneError: some are too long and are to be refused, or all of them are dropped.
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


def sample(sequences, count, seed):
    """``count`` of the sequences, drawn without replacement, in their order; all if None or too many."""
    if count is None or count >= len(sequences):
        return sequences
    chosen = np.random.default_rng(seed).choice(len(sequences), count, replace=False)
    return [sequences[number] for number in sorted(chosen)]


def _control_prompts(tokenizer, path, count, longest):
    papers = read_table(path, ["id", "abstract"]).slice(0, count).to_pylist()
    prompts = [split_abstract(paper["abstract"])[0] for paper in papers]
    encoded = encode(tokenizer, prompts, eos=False)
    for paper, tokens in zip(papers, encoded, strict=True):
        if longest and len(tokens) >= longest:
            raise FeynTuneError(f"{path}: half of {paper['id']} has {len(tokens)} tokens, and the limit is {longest}")
    return [ControlPrompt(paper["id"], *rest) for paper, *rest in zip(papers, prompts, encoded, strict=True)]
