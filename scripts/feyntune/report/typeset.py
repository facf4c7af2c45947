"""Numbers as people read them, and tables in three formats: CSV with every digit, LaTeX, HTML."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.files import write_text

if TYPE_CHECKING:
    import pandas

MISSING = "–"
NO_HINTS: Mapping[str, str] = {}


def decimals(values: Iterable[float], digits: int = 4) -> int:
    """Decimals that give the median of ``values`` so many significant digits; a whole column has the same."""
    sizes = sorted(abs(value) for value in values if value and math.isfinite(value))
    if not sizes:
        return digits - 1
    return max(digits - 1 - math.floor(math.log10(sizes[len(sizes) // 2])), 0)


def significant(values: Iterable[float]) -> int:
    """Decimals that give the smallest of ``values`` that is not zero two significant digits."""
    sizes = [abs(value) for value in values if value and math.isfinite(value)]
    return max(1 - math.floor(math.log10(min(sizes))), 0) if sizes else 0


def interval_decimals(values: Iterable[float], lows: Iterable[float], highs: Iterable[float]) -> int:
    """Decimals for a column of means with intervals: no digit that the intervals leave open.

    One significant digit of half the width of the narrowest interval, and at most four of a typical mean. Without any
    interval, three of a typical mean.
    """
    values = list(values)
    halves = [(high - low) / 2 for low, high in zip(lows, highs, strict=True) if high > low]
    if not halves:
        return decimals(values, digits=3)
    return min(max(-math.floor(math.log10(min(halves))), 0), decimals(values))


def number(value: float, places: int) -> str:
    """A number with so many decimals and thousands marked; a dash for NaN."""
    return MISSING if math.isnan(value) else f"{value:,.{places}f}"


def interval(value: float, low: float, high: float, places: int) -> str:
    """``12.34 [12.01, 12.66]``; the value alone if it has no bounds."""
    bounds = "" if math.isnan(low) else f" [{number(low, places)}, {number(high, places)}]"
    return number(value, places) + bounds


def fraction(value: float) -> str:
    """A fraction as a percentage with one decimal."""
    return MISSING if math.isnan(value) else f"{100 * value:.1f}%"


def p_value(value: float) -> str:
    """A p-value to three decimals; below 0.001 only that."""
    return "<0.001" if value < 0.001 else number(value, 3)


def write_formats(
    stem: Path, exact: pandas.DataFrame, shown: pandas.DataFrame, caption: str, hints: Mapping[str, str] = NO_HINTS
) -> None:
    """Write ``{stem}.csv`` from ``exact``, and ``{stem}.tex`` (booktabs) and ``{stem}.html`` from ``shown`` (text).

    The HTML is that of ``html_table``, with its ``hints``.
    """
    write_text(f"{stem}.csv", exact.to_csv(index=False, float_format="%.8g"))
    write_text(f"{stem}.tex", _latex(shown, caption))
    write_text(f"{stem}.html", html_table(shown, hints))


MEANING = "Meaning"
"""The column of sentences, which are broken into lines."""
PROSE = frozenset({"Better", MEANING, "Name in files"})
TEXT_COLUMNS = frozenset({"Set", "Run", "Against", "Quantity", "Category", "Model", "Stage", "Job", *PROSE})
"""Columns that are aligned left; the others hold numbers and are aligned right."""

_LATEX = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%$#_{}"}
    | {"<": "$<$", ">": "$>$", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
    | {MISSING: "--"}
)


def _latex(shown: pandas.DataFrame, caption: str) -> str:
    columns = "".join("l" if name in TEXT_COLUMNS else "r" for name in shown)
    body = shown.map(_escaped).rename(columns=_escaped).to_latex(index=False, column_format=columns)
    return f"% {caption}\n% needs \\usepackage{{booktabs}}\n{body}"


def _escaped(text: object) -> str:
    return str(text).translate(_LATEX)


_HTML = """\
<table class="sortable">
<thead><tr>{% for name in columns %}<th{{ kind(name) }}{{ hint(name) }}>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}
<tr>{% for name, cell in row.items() %}<td{{ kind(name) }}{{ hint(cell) }}>{{ unbroken(cell) }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table>
"""


def html_table(shown: pandas.DataFrame, hints: Mapping[str, str] = NO_HINTS) -> str:
    """A table of text as HTML, to be part of a page; everything in it is escaped.

    Args:
        shown: the table.
        hints: what titles of columns, and cells with the same text, mean; shown when one points at them.
    """
    from jinja2 import Environment
    from markupsafe import Markup

    template = Environment(autoescape=True, trim_blocks=True, keep_trailing_newline=True).from_string(_HTML)
    number_class, prose_class = Markup(' class="number"'), Markup(' class="wrap"')
    return template.render(
        columns=list(shown),
        rows=shown.to_dict("records"),
        kind=lambda name: prose_class if name == MEANING else "" if name in TEXT_COLUMNS else number_class,
        unbroken=_unbroken,
        hint=lambda text: Markup(' title="{}"').format(hints[text]) if text in hints else "",
    )


def _unbroken(cell: object) -> str:
    """A cell that may be broken into lines before an interval, but not inside it."""
    return re.sub(r"\[(\S+), (\S+)\]", "[\\1,\N{NO-BREAK SPACE}\\2]", str(cell))
