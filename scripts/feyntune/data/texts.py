"""Plain texts of any kind as passages, on which perplexities are computed."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow

from feyntune.config.schema.evaluation import TextsStage
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table
from feyntune.data.json_lines import opened

_BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*")
_WORD = re.compile(r"\S+")


def read_passages(path: Path, stage: TextsStage) -> pyarrow.Table:
    """Read texts and divide the long ones.

    Args:
        path: JSON lines or parquet with a column of texts, or ``.txt`` with texts separated by blank lines; JSON lines
            and ``.txt`` may be compressed as ``.gz`` or ``.zip``.
        stage: the column, and the most words of a passage.

    Returns:
        Table with ``id``, the number of the text in the file, followed by that of the passage if it has several; and
        ``abstract``, the passage. Empty texts are left out.

    Raises:
        FeynTuneError: no such file, another kind of file, a text that is missing or no text, or no text at all.
    """
    rows = [
        (str(number) if len(passages) == 1 else f"{number}.{place}", passage)
        for number, text in enumerate(_texts(path, stage.column), 1)
        for passages in [divide(text, stage.words)]
        for place, passage in enumerate(passages, 1)
    ]
    if not rows:
        raise FeynTuneError(f"{path}: no text in it; give a file of texts")
    ids, passages = zip(*rows, strict=True)
    columns = {"id": ids, "abstract": passages}
    return pyarrow.table({name: pyarrow.array(column, pyarrow.string()) for name, column in columns.items()})


def divide(text: str, words: int) -> list[str]:
    """Divide a text at white space into passages of equal numbers of words, up to one, and at most ``words``.

    White space within a passage stays as it is. A text without any word has no passage.
    """
    spans = [found.span() for found in _WORD.finditer(text)]
    count = -(-len(spans) // words)
    bounds = [len(spans) * place // count for place in range(count + 1)] if count else []
    return [text[spans[first][0] : spans[end - 1][1]] for first, end in itertools.pairwise(bounds)]


def _texts(path: Path, column: str) -> Iterator[str]:
    """The texts of a file, in its order."""
    kinds = [suffix for suffix in path.suffixes if suffix not in (".gz", ".zip")][-1:]
    if kinds == [".parquet"]:
        texts = read_table(path, [column])[column].to_pylist()
        yield from (_checked(text, path, row) for row, text in enumerate(texts, 1))
    elif kinds == [".txt"]:
        yield from _BLANK_LINES.split(_decoded(path).replace("\r\n", "\n"))
    elif kinds in ([".jsonl"], [".json"]):
        for number, line in enumerate(_decoded(path).split("\n"), 1):
            if line.strip():
                yield _checked(_value(line, column, path, number), path, number)
    else:
        raise FeynTuneError(f"{path}: not .jsonl, .parquet or .txt (nor .jsonl or .txt with .gz); convert it")


def _decoded(path: Path) -> str:
    with opened(path) as stream:
        content = stream.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FeynTuneError(f"{path}: not UTF-8 at byte {error.start:,}; convert it to UTF-8") from None


def _value(line: str, column: str, path: Path, number: int) -> object:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise FeynTuneError(f"{path}: line {number:,} is not JSON; give one object a line") from None
    if not isinstance(row, dict) or column not in row:
        raise FeynTuneError(f"{path}: line {number:,} has no {column!r}; name the column of texts by 'column'")
    return row[column]


def _checked(text: object, path: Path, number: int) -> str:
    if not isinstance(text, str):
        kind = "nothing" if text is None else type(text).__name__
        raise FeynTuneError(f"{path}: row {number:,} holds {kind} instead of a text; remove it, or name another column")
    return text
