"""Numbers as people read them, and tables in three formats: CSV with every digit, LaTeX, HTML."""

import math

from feyntune.files import write_text

MISSING = "–"
DIGITS = 4
"""Significant digits of the largest number in a cell."""


def number(value, digits=DIGITS):
    """A number with so many significant digits and thousands marked; a dash for NaN."""
    return MISSING if math.isnan(value) else f"{value:,.{_decimals([value], digits)}f}"


def interval(value, low, high, digits=DIGITS):
    """``12.34 [12.01, 12.66]``, all with the decimals that the largest needs; without bounds the value alone."""
    if math.isnan(value) or math.isnan(low):
        return number(value, digits)
    decimals = _decimals([value, low, high], digits)
    return f"{value:,.{decimals}f} [{low:,.{decimals}f}, {high:,.{decimals}f}]"


def share(value):
    """A share as a percentage with one decimal."""
    return MISSING if math.isnan(value) else f"{100 * value:.1f}%"


def p_value(value):
    """A p-value with two significant digits, and no smaller than is worth telling."""
    return "<0.001" if value < 0.001 else number(value, 2)


def _decimals(values, digits):
    largest = max(map(abs, values))
    exponent = math.floor(math.log10(largest)) if largest > 0 else 0
    return max(digits - 1 - exponent, 0)


def write_formats(stem, exact, shown, caption):
    """Write ``{stem}.csv`` from ``exact``, and ``{stem}.tex`` (booktabs) and ``{stem}.html`` from ``shown`` (text).

    The HTML is a table alone, for a page to take in; everything in it is escaped.
    """
    write_text(f"{stem}.csv", exact.to_csv(index=False, float_format="%.8g"))
    numeric = ["l" if column in TEXT_COLUMNS else "r" for column in shown]
    latex = shown.map(_latex).rename(columns=_latex).to_latex(index=False, column_format="".join(numeric))
    write_text(f"{stem}.tex", f"% {caption}\n% needs \\usepackage{{booktabs}}\n{latex}")
    html = shown.to_html(index=False, border=0, classes="sortable", escape=True)
    write_text(f"{stem}.html", html + "\n")


TEXT_COLUMNS = ("Set", "Run", "Against", "Measure")
_LATEX = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {"<": "$<$", "–": "--", "\\": r"\textbackslash{}"})


def _latex(text):
    return str(text).translate(_LATEX)
