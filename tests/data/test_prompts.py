"""The prompt rule, on examples split by hand."""

import pytest

from feyntune.data.prompts import split_abstract


@pytest.mark.parametrize(
    ("abstract", "prompt", "rest"),
    [
        ("One. Two. Three. Four.", "One. Two.", "Three. Four."),
        ("One. Two. Three.", "One. Two.", "Three."),
        ("Is it so? Yes! It is.", "Is it so? Yes!", "It is."),
        ("We find   that it  holds", "We find that", "it holds"),
        ("We find that it holds.", "We find that", "it holds."),
        ("Word.", "Word.", ""),
        ("", "", ""),
        ("  A b c. D e f.  ", "A b c.", "D e f."),
        ("At 3.5 GeV we see\n it. More\tfollows.", "At 3.5 GeV we see\n it.", "More\tfollows."),
        ("See e.g. the limit $x=0.$ Next", "See e.g.", "the limit $x=0.$ Next"),
    ],
)
def test_halves_by_sentences_or_words(abstract, prompt, rest):
    assert split_abstract(abstract) == (prompt, rest)


def test_nothing_is_lost():
    abstract = "We study strings. Are they long? They are! We conclude. The end"
    prompt, rest = split_abstract(abstract)
    assert f"{prompt} {rest}" == abstract
