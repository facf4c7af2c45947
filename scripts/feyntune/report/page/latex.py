"""The LaTeX of abstracts as safe HTML: formulas as MathML, accents and emphasis as text, the rest unchanged.

Abstracts and completions are not trusted: only text and the elements that are listed here reach a page.
"""

from __future__ import annotations

import html
import re
import unicodedata
import xml.etree.ElementTree

MATHML = "{http://www.w3.org/1998/Math/MathML}"
ELEMENTS = frozenset(
    "math mrow mi mn mo ms mtext mspace mfrac msqrt mroot mstyle mpadded mphantom menclose msub msup msubsup"
    " munder mover munderover mmultiscripts mprescripts none mtable mtr mtd".split()
)
ATTRIBUTES = frozenset(
    "xmlns display displaystyle scriptlevel mathvariant stretchy accent accentunder fence separator form width height"
    " depth lspace rspace linethickness minsize maxsize columnalign columnspacing rowspacing columnlines".split()
)
LONGEST_FORMULA = 1000
"""Characters; a longer formula, as of a model that never closes one, is shown as its source."""

_FORMULA = re.compile(
    r"\$\$(?P<display>.+?)\$\$|(?<!\\)\$(?P<inline>(?:[^$\\]|\\.)+?)\$|\\\((?P<round>.+?)\\\)|\\\[(?P<square>.+?)\\\]",
    re.DOTALL,
)
_OLD_FONT = re.compile(r"\{\\(cal|rm|bf|it|sf|tt)\b\s*([^{}]*)\}")
_NEW_FONT = {"cal": "mathcal", "rm": "mathrm", "bf": "mathbf", "it": "mathit", "sf": "mathsf", "tt": "mathtt"}


def to_html(text: str) -> str:
    """HTML of a text with LaTeX in it; a formula that cannot be converted stays as its source, marked as code."""
    parts, end = [], 0
    for found in _FORMULA.finditer(text):
        parts += [_prose(text[end : found.start()]), _formula(found)]
        end = found.end()
    return "".join([*parts, _prose(text[end:])])


def _formula(found: re.Match[str]) -> str:
    source = next(group for group in found.groups() if group is not None)
    mathml = _mathml(source) if len(source) <= LONGEST_FORMULA else None
    return mathml or f"<code>{html.escape(found.group())}</code>"


def _mathml(source: str) -> str | None:
    """A formula as MathML that holds only listed elements and attributes; None if it cannot be converted."""
    from latex2mathml.converter import convert

    modern = _OLD_FONT.sub(lambda found: rf"\{_NEW_FONT[found[1]]}{{{found[2]}}}", source)
    try:
        tree = xml.etree.ElementTree.fromstring(convert(modern))
    except Exception:  # models write anything, and the converter raises anything: the source is shown instead
        return None
    return _serialised(tree) if all(map(_allowed, tree.iter())) else None


def _allowed(element: xml.etree.ElementTree.Element) -> bool:
    return element.tag.removeprefix(MATHML) in ELEMENTS and set(element.attrib) <= ATTRIBUTES


def _serialised(tree: xml.etree.ElementTree.Element) -> str:
    for element in tree.iter():
        element.tag = element.tag.removeprefix(MATHML)
    return xml.etree.ElementTree.tostring(tree, encoding="unicode")


_ACCENTS = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", "=": "\u0304", "u": "\u0306", ".": "\u0307",
    '"': "\u0308", "r": "\u030a", "H": "\u030b", "v": "\u030c", "c": "\u0327", "k": "\u0328", "d": "\u0323",
}  # fmt: skip
_ACCENT = re.compile(r"""\\(?:([`'^~=."])\s*|([uvHckdr])(?:\s+|(?=\{)))(?:\{\s*(\\?[A-Za-z])\s*\}|(\\?[A-Za-z]))""")
_LETTERS = {
    "ss": "ß", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "aa": "å", "AA": "Å",
    "ldots": "…", "dots": "…", "textendash": "–", "textemdash": "—",
}  # fmt: skip
_LETTER = re.compile(r"\\(" + "|".join(_LETTERS) + r")(?![A-Za-z])\s?(?:\{\})?")
_EMPHASIS = re.compile(r"\\(?:emph|textit|textsl)\{([^{}]*)\}|\{\\(?:em|it|sl)\s+([^{}]*)\}")
_BOLD = re.compile(r"\\textbf\{([^{}]*)\}|\{\\bf\s+([^{}]*)\}")
_PLAIN = {
    r"\%": "%",
    r"\&amp;": "&amp;",
    r"\_": "_",
    r"\#": "#",
    r"\$": "$",
    "---": "—",
    "--": "–",
    "``": "“",
    "''": "”",
    "\\ ": " ",
}


def _prose(text: str) -> str:
    """Text outside formulas; it is escaped first, so that only what is added here is HTML."""
    text = _ACCENT.sub(_accented, text)
    text = _LETTER.sub(lambda found: _LETTERS[found[1]], text)
    text = html.escape(text, quote=False)
    text = _EMPHASIS.sub(lambda found: f"<em>{found[1] or found[2] or ''}</em>", text)
    text = _BOLD.sub(lambda found: f"<strong>{found[1] or found[2] or ''}</strong>", text)
    for source, shown in _PLAIN.items():
        text = text.replace(source, shown)
    return re.sub(r"(?<!\\)~", "\u00a0", text)


def _accented(found: re.Match[str]) -> str:
    accent, letter = found[1] or found[2], (found[3] or found[4]).removeprefix("\\")
    return unicodedata.normalize("NFC", letter + _ACCENTS[accent])
