import random
from html.parser import HTMLParser

import pytest

from feyntune.report.page.latex import ATTRIBUTES, ELEMENTS, to_html

MATH = '<math display="inline"><mrow>'


class Tags(HTMLParser):
    """Collects what a browser would take for elements and attributes."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.attributes, self.text = set(), set(), ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.add(tag)
        self.attributes.update(name for name, _ in attributes)

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain text", "plain text"),
        ("a < b & c > d", "a &lt; b &amp; c &gt; d"),
        (
            'Schr\\"odinger, Poincar\\\'{e}, Ho\\v{r}ava, \\v Cerenkov, na\\"{\\i}ve',
            "Schrödinger, Poincaré, Hořava, Čerenkov, naïve",
        ),
        ("Fran\\c{c}ois, M\\o ller, Stra\\ss e", "François, Møller, Straße"),
        ("AT\\&T: 5\\%~of it -- really --- ``yes''", "AT&amp;T: 5%\u00a0of it – really — “yes”"),
        ("\\emph{a} {\\it b} \\textbf{c} {\\bf d}", "<em>a</em> <em>b</em> <strong>c</strong> <strong>d</strong>"),
        ("it costs \\$5 and \\$6", "it costs $5 and $6"),
        ("a single $ sign", "a single $ sign"),
    ],
)
def test_prose(source, expected):
    assert to_html(source) == expected


def test_formulas_become_mathml():
    assert to_html("at $x_2$.") == f"at {MATH}<msub><mi>x</mi><mn>2</mn></msub></mrow></math>."
    for source in ("$x_2$", "$$x_2$$", r"\(x_2\)", r"\[x_2\]"):
        assert "<msub><mi>x</mi><mn>2</mn></msub>" in to_html(source)


def test_old_fonts_are_read_as_new_ones():
    assert to_html(r"${\cal N}=4$") == to_html(r"$\mathcal{N}=4$")
    assert "𝒩" in to_html(r"${\cal N}=4$")


@pytest.mark.parametrize("source", ["$x^2_$", r"$\left( x$", "$" + "x" * 2000 + "$"])
def test_what_cannot_be_converted_stays_as_its_source(source):
    assert to_html(source) == f"<code>{source}</code>"


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        "$<script>alert(1)</script>$",
        r"$\text{<script>alert(1)</script>}$",
        r"$\text{<img src=x onerror=alert(1)>}$",
        r'$\text{<mi onclick="alert(1)">x</mi>}$',
        r"$\href{javascript:alert(1)}{x}$",
        r"$\style{background:url(http://example.org)}{x}$",
        r"$\class{card}{x}$",
        r"\emph{<img src=x onerror=alert(1)>}",
        r"$\mbox{&lt;script&gt;}$",
        "\\'<script>",
        "$a$<b onclick=x>$c$",
    ],
)
def test_nothing_of_a_stranger_becomes_an_element(source):
    tags = Tags(to_html(source))
    assert tags.elements <= ELEMENTS | {"code", "em", "strong"}
    assert tags.attributes <= ATTRIBUTES


def test_random_rubbish_is_safe():
    pieces = [
        "$",
        "$$",
        "{",
        "}",
        "\\",
        "<",
        ">",
        "&",
        '"',
        "'",
        "^",
        "_",
        "x",
        " ",
        "\\text{",
        "\\frac",
        "\\href{a}{",
        "\\[",
    ]
    pieces += [
        "<script>",
        "</math>",
        "onclick=",
        "\\(",
        "\\)",
        "\\]",
        "\\begin{array}",
        "\\end{array}",
        "~",
        "\\sqrt",
        "--",
    ]
    drawing = random.Random(0)
    for _ in range(1500):
        source = "".join(drawing.choices(pieces, k=drawing.randint(1, 25)))
        tags = Tags(to_html(source))
        assert tags.elements <= ELEMENTS | {"code", "em", "strong"}, source
        assert tags.attributes <= ATTRIBUTES, source


def test_words_survive():
    source = r"We study $\mathcal{N}=4$ super-Yang--Mills with gauge group $SU(N)$ at $\lambda \to \infty$."
    assert Tags(to_html(source)).text == "We study 𝒩=4 super-Yang–Mills with gauge group SU(N) at λ→∞."
