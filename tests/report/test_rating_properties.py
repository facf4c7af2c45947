"""Whatever stands in a file of ratings: scores on the scale, or one printable line for each fault."""

import csv
import io

import hypothesis
from hypothesis import strategies

from feyntune.core.errors import FeynTuneError
from feyntune.report.rating_sheets import harmless, write_sheets
from feyntune.report.ratings import COLUMNS, read_ratings

BOUNDED = hypothesis.settings(
    derandomize=True, max_examples=150, deadline=None, database=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)  # fmt: skip
TEXT = strategies.text(strategies.characters(exclude_categories=["Cs"]), max_size=20)
SCORES = strategies.integers(-2, 12).map(str) | strategies.sampled_from(["7,5", "7.5", "", "ten", "1e1"]) | TEXT
ROWS = strategies.lists(
    strategies.fixed_dictionaries(
        {name: SCORES if name == "score" else TEXT | strategies.just("x") for name in COLUMNS}
    ),
    max_size=6,
)


def written(path, rows, encoding="utf-8", delimiter=","):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


@BOUNDED
@hypothesis.given(ROWS, strategies.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), strategies.sampled_from(",;\t"))
def test_ratings_are_on_the_scale_or_refused(tmp_path, rows, encoding, delimiter):
    path = written(tmp_path / "t.csv", rows, encoding, delimiter)
    try:
        ratings = read_ratings([path], None)
    except FeynTuneError as error:
        for line in str(error).splitlines():
            assert line.isprintable() and len(line.replace(str(tmp_path), "")) <= 250
        return
    assert ratings and all(0 <= rating["score"] <= 10 for rating in ratings)
    assert len(ratings) == sum(bool(row["score"].strip()) for row in rows)


@BOUNDED
@hypothesis.given(strategies.binary(max_size=200))
def test_any_bytes_are_refused_in_printable_lines(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    try:
        read_ratings([tmp_path / "t.csv"], None)
        raise AssertionError("no ratings in it")
    except FeynTuneError as error:
        assert all(line.isprintable() for line in str(error).splitlines())


@hypothesis.settings(BOUNDED, max_examples=50)
@hypothesis.given(strategies.lists(TEXT, min_size=1, max_size=4))
def test_what_is_on_a_sheet_is_what_was_written(tmp_path, texts):
    folder = tmp_path / str(abs(hash(tuple(texts))))
    hypothesis.assume(not folder.exists() and not any("\0" in text for text in texts))
    items = [
        {"code": str(number), "paper": "p", "model": "m", "source": "s", "category": "Base", "prompt": text,
         "continuation": text}
        for number, text in enumerate(texts)
    ]  # fmt: skip
    write_sheets(items, ["ann"], 1, folder)
    with open(folder / "sheet-ann.csv", newline="", encoding="utf-8-sig") as file:
        shown = {row["code"]: row["continuation"] for row in csv.DictReader(file)}
    assert shown == {item["code"]: harmless(item["continuation"]) for item in items}
    before = (folder / "sheet-ann.csv").read_bytes()
    assert write_sheets(items, ["ann", "ben"], 1, folder) == ["ben"]
    assert (folder / "sheet-ann.csv").read_bytes() == before
