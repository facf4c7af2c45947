"""The abstracts that a run trains on and is measured on, as tokens of bounded length."""

import numpy as np

from feyntune.errors import FeynTuneError
from feyntune.files import read_table
from feyntune.tokens import encode


def read_abstracts(path):
    """The abstracts in a split, in its order. Raises FeynTuneError if there are none, or an empty one."""
    table = read_table(path, ["id", "abstract"])
    abstracts = table["abstract"].to_pylist()
    if not abstracts:
        raise FeynTuneError(f"{path}: no abstracts in it; choose a dataset with more papers")
    empty = next((row for row, text in enumerate(abstracts) if not (text and text.strip())), None)
    if empty is not None:
        raise FeynTuneError(f"{path}: the abstract of {table['id'][empty]} is empty; make the dataset again")
    return abstracts


def encode_abstracts(tokenizer, abstracts, longest, too_long, place):
    """Encode abstracts for training, and treat those over ``longest`` tokens as ``too_long`` says.

    Args:
        tokenizer: from ``load_tokenizer``.
        abstracts: list of strings.
        longest: most tokens in a sequence, special tokens included.
        too_long: ``refuse``, ``drop`` or ``truncate`` (which keeps the beginning, and has no EOS: the text goes on).
        place: where the abstracts come from, for messages.

    Returns:
        The sequences (list of int32 arrays: BOS, text, EOS), and how many were too long.

    Raises:
        FeynTuneError: some are too long and are to be refused, or all of them are dropped.
    """
    sequences = [np.array(tokens, dtype=np.int32) for tokens in encode(tokenizer, abstracts, eos=True)]
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
