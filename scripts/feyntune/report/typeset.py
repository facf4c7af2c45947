"""Numbers as people read them, and tables in three formats: CSV with every digit, LaTeX, HTML."""

import math

from feyntune.core.files import write_text

MISSING = "–"


def decimals(values, digits=4):
    """Decimals that give a typical one of ``values`` so many significant digits: a whole column has the same."""
    sizes = sorted(abs(value) for value in values if value and math.isfinite(value))
    if not sizes:
        return digits - 1
    return max(digits - 1 - math.floor(math.log10(sizes[len(sizes) // 2])), 0)


def number(value, places):
    """A number with so many decimals and thousands marked; a dash for NaN."""
    return MISSING if math.isnan(value) else f"{value:,.{places}f}"


def interval(value, low, high, places):
    """``12.34 [12.01, 12.66]``; the value alone if it has no bounds."""
    bounds = "" if math.isnan(low) else f" [{number(low, places)}, {number(high, places)}]"
    return number(value, places) + bounds


def share(value):
    """A share as a percentage with one decimal."""
    return MISSING if math.isnan(value) else f"{100 * value:.1f}%"


def p_value(value):
    """A p-value to three decimals, and no smaller than is worth telling."""
    return "<0.001" if value < 0.001 else number(value, 3)


def write_formats(stem, exact, shown, caption):
    """Write ``{stem}.csv`` from ``exact``, and ``{stem}.tex`` (booktabs) and ``{stem}.html`` from ``shown`` (text).

    The HTML is that of ``html_table``.
    """
    write_text(f"{stem}.csv", exact.to_csv(index=False, float_format="%.8g"))
    write_text(f"{stem}.tex", _latex(shown, caption))
    write_text(f"{stem}.html", html_table(shown))


TEXT_COLUMNS = frozenset({"Set", "Run", "Against", "Measure", "Category", "Model", "Stage", "Job"})
"""Columns that stand to the left; numbers stand to the right."""

_LATEX = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%$#_{}"}
    | {"<": "$<$", ">": "$>$", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
    | {MISSING: "--"}
)


def _latex(shown, caption):
    columns = "".join("l" if name in TEXT_COLUMNS else "r" for name in shown)
    body = shown.map(_escaped).rename(columns=_escaped).to_latex(index=False, column_format=columns)
    return f"% {caption}\n% needs \\usepackage{{booktabs}}\n{body}"


def _escaped(text):
    return str(text).translate(_LATEX)


_HTML = """\
<table class="sortable">
<thead><tr>{% for name in columns %}<th{{ kind(name) }}>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}
<tr>{% for name, cell in row.items() %}<td{{ kind(name) }}>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table>
"""


def html_table(shown):
    """A table of text as HTML, for a page to take in; everything in it is escaped."""
    from jinja2 import Environment
    from markupsafe import Markup

    template = Environment(autoescape=True, trim_blocks=True, keep_trailing_newline=True).from_string(_HTML)
    number_class = Markup(' class="number"')
    return template.render(
        columns=list(shown),
        rows=shown.to_dict("records"),
        kind=lambda name: "" if name in TEXT_COLUMNS else number_class,
    )
