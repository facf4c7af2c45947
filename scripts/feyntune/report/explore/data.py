"""The files beside the page: texts in chunks and numbers by quantity, so that only what is looked at is loaded.

They are scripts that call ``explore(name, data)``: pages that are opened as files may load scripts, and nothing else.
The data are JSON in ASCII, so texts are never code.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.core.files import read_table, write_text
from feyntune.report.page.latex import to_html
from feyntune.report.results import Quantity, Results

if TYPE_CHECKING:
    import pandas
    import pyarrow

CHUNK = 250_000
"""Characters of texts that a chunk has, about: what is loaded to show one abstract with its completions."""
START = 120
"""Characters of a prompt in lists."""
COPIED = re.compile(r"_copied_(\d+)$")
"""Quantities that say how much of a completion is copied, by the length of the n-grams."""


@dataclass(frozen=True)
class SetTexts:
    """The texts of an evaluation set."""

    ids: list[str]
    """Ids of the abstracts, in the order of the set."""
    prompts: pyarrow.Array
    """The first half of each abstract."""
    truths: pyarrow.Array
    """What the authors wrote after it."""
    runs: list[str]
    """The runs, in the configuration's order."""
    predictions: list[pyarrow.Array]
    """By run, the continuation of each abstract; null where there is none."""
    stopped: list[pyarrow.Array]
    """By run, why it ended."""

    def per_chunk(self) -> int:
        """Abstracts of a chunk."""
        import pyarrow.compute as pc

        columns = [self.prompts, self.truths, *self.predictions]
        characters = sum(pc.sum(pc.binary_length(column)).as_py() or 0 for column in columns)
        return max(1, min(len(self.ids), int(CHUNK * len(self.ids) / max(characters, 1))))


def read_texts(completions: Path, evaluation_set: str) -> SetTexts:
    """The texts of an evaluation set from the pooled completions."""
    import pyarrow.compute as pc

    columns = ["set", "run", "id", "prompt", "y_true", "prediction", "stopped"]
    chosen = [("set", "==", evaluation_set)]
    table = read_table(completions, columns, chosen, texts=columns).combine_chunks()
    ids = pc.unique(table["id"])
    first = pc.index_in(ids, value_set=table["id"])
    runs = pc.unique(table["run"]).to_pylist()
    parts = [table.filter(pc.equal(table["run"], run)) for run in runs]
    rows = [pc.index_in(ids, value_set=part["id"]) for part in parts]

    def aligned(column: str) -> list[pyarrow.Array]:
        taken = [part[column].take(row) for part, row in zip(parts, rows, strict=True)]
        return [each.combine_chunks() for each in taken]

    prompts, truths = (table[name].take(first).combine_chunks() for name in ("prompt", "y_true"))
    return SetTexts(ids.to_pylist(), prompts, truths, runs, aligned("prediction"), aligned("stopped"))


def write_set(
    folder: Path,
    place: int,
    texts: SetTexts,
    values: pandas.DataFrame,
    results: Results,
    advance: Callable[[int], None],
) -> dict[str, Any]:
    """Write the files of an evaluation set.

    Args:
        folder: folder of all data.
        place: number of the set, of which the names of files begin with it.
        texts: its texts.
        values: its values, as in ``Results.values``.
        results: all results.
        advance: called with the number of abstracts whose texts have been written.

    Returns:
        What the page knows of the set before it loads any of them.
    """
    prompts, truths = texts.prompts.to_pylist(), texts.truths.to_pylist()
    write_data(folder, f"{place}-index", {"ids": texts.ids, "starts": [_start(each) for each in prompts]})
    pairs = zip(prompts, truths, strict=True)
    write_data(folder, f"{place}-abstracts", [f"{prompt} {truth}" for prompt, truth in pairs])
    known = [number for number, quantity in enumerate(results.quantities) if _known(values, quantity)]
    for number in known:
        write_data(folder, f"{place}-values-{number}", encoded_values(values, results.quantities[number], texts))
    per_chunk = texts.per_chunk()
    for number, start in enumerate(range(0, len(texts.ids), per_chunk)):
        rows = list(text_rows(texts, slice(start, start + per_chunk)))
        write_data(folder, f"{place}-texts-{number}", rows)
        advance(len(rows))
    return {"count": len(texts.ids), "runs": texts.runs, "perChunk": per_chunk, "quantities": known}


def _known(values: pandas.DataFrame, quantity: Quantity) -> bool:
    return quantity.name in values and bool(values[quantity.name].notna().any(axis=None))


def _start(prompt: str) -> str:
    return prompt if len(prompt) <= START else f"{prompt[:START].rsplit(' ', 1)[0]} …"


def encoded_values(values: pandas.DataFrame, quantity: Quantity, texts: SetTexts) -> str:
    """A quantity of all completions as base64 of little-endian float32, abstracts x runs; NaN where there is none."""
    rows = values[quantity.name].reindex(index=texts.ids, columns=texts.runs)
    return base64.b64encode(rows.to_numpy(dtype="<f4").tobytes()).decode("ascii")


def text_rows(texts: SetTexts, rows: slice) -> Iterator[list[Any]]:
    """For each abstract: prompt, true continuation, and by run the continuation and why it ended, or null."""
    prompts, truths = (column[rows].to_pylist() for column in (texts.prompts, texts.truths))
    predictions = zip(*(column[rows].to_pylist() for column in texts.predictions), strict=True)
    stopped = zip(*(column[rows].to_pylist() for column in texts.stopped), strict=True)
    for prompt, truth, written, ends in zip(prompts, truths, predictions, stopped, strict=True):
        pairs = [None if text is None else [shown(text), end] for text, end in zip(written, ends, strict=True)]
        yield [shown(prompt), shown(truth), pairs]


def shown(text: str) -> str | list[str]:
    """A text; with its HTML where that differs."""
    html = to_html(text)
    return text if html == text else [text, html]


def write_data(folder: Path, name: str, data: Any) -> None:
    """Write a data file; the page asks for it by its name."""
    content = json.dumps(data, separators=(",", ":"), allow_nan=False)
    write_text(folder / f"{name}.js", f'"use strict";explore({json.dumps(name)},{content});\n')


def most_copied(quantities: Sequence[Quantity]) -> int | None:
    """The quantity that says which completions are copied most: that of the longest n-grams; None if there is none."""
    found = [(int(match[1]), number) for number, each in enumerate(quantities) if (match := COPIED.search(each.name))]
    return max(found)[1] if found else None
