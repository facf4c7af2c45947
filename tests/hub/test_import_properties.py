"""Whatever stands in an imported table: it is read as it was written, or refused in one line."""

import csv
import io

import hypothesis
import pyarrow
import pyarrow.parquet
from hypothesis import strategies

from feyntune.core.errors import FeynTuneError
from feyntune.hub.imports import check_values, read_completions, read_values

BOUNDED = hypothesis.settings(
    derandomize=True, max_examples=150, deadline=None, database=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)  # fmt: skip
# csv.writer does not quote a lone carriage return, so nobody can tell it from the end of a line.
TEXT = strategies.text(strategies.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=30)
IDS = strategies.lists(
    strategies.from_regex(r"[0-9]{4}\.[0-9]{5}", fullmatch=True), min_size=1, max_size=5, unique=True
)
DIALECTS = strategies.tuples(
    strategies.sampled_from(",;\t"),
    strategies.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    strategies.sampled_from(["\r\n", "\n"]),
)


def written(path, rows, delimiter, encoding, end):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


def one_line(error, tmp_path):
    line = str(error)
    assert line.isprintable(), line
    assert len(line.replace(str(tmp_path), "")) <= 250, line


@BOUNDED
@hypothesis.given(IDS, strategies.data(), DIALECTS)
def test_texts_are_read_as_they_were_written(tmp_path, ids, data, dialect):
    texts = [data.draw(TEXT) for _ in ids]
    written(tmp_path / "t.csv", [("id", "completion"), *zip(ids, texts, strict=True)], *dialect)
    found = read_completions(tmp_path / "t.csv")
    assert found == {name: (None, text) for name, text in zip(ids, texts, strict=True)}


@BOUNDED
@hypothesis.given(IDS, strategies.data(), DIALECTS, strategies.booleans())
def test_numbers_are_read_as_they_were_written(tmp_path, ids, data, dialect, comma):
    numbers = [data.draw(strategies.floats(1, 1e6) | strategies.none()) for _ in ids]
    cells = ["" if number is None else repr(number) for number in numbers]
    if comma and dialect[0] != ",":
        cells = [cell.replace(".", ",") for cell in cells]
    written(tmp_path / "t.csv", [("id", "perplexity"), *zip(ids, cells, strict=True)], *dialect)
    try:
        found = read_values(tmp_path / "t.csv", "perplexity")
    except FeynTuneError as error:
        assert set(numbers) == {None} and "is empty" in str(error)
        return
    assert [found[name]["perplexity"] for name in ids] == numbers


@BOUNDED
@hypothesis.given(strategies.binary(max_size=200) | strategies.binary(max_size=100).map(b"id,completion\na,".__add__))
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path, content):
    for name in ("t.csv", "t.parquet"):
        (tmp_path / name).write_bytes(content)
        try:
            assert read_completions(tmp_path / name)
        except FeynTuneError as error:
            one_line(error, tmp_path)


COLUMNS = {
    "int": strategies.integers(-(2**60), 2**60), "float": strategies.floats(), "text": TEXT,
    "bytes": strategies.binary(max_size=9), "bool": strategies.booleans(), "null": strategies.none(),
    "list": strategies.lists(TEXT, max_size=2),
}  # fmt: skip


@BOUNDED
@hypothesis.given(strategies.data())
def test_columns_of_any_type_are_read_or_refused_in_one_line(tmp_path, data):
    table = {}
    for name in ("id", "completion", "perplexity"):
        values = COLUMNS[data.draw(strategies.sampled_from(sorted(COLUMNS)))]
        table[name] = data.draw(strategies.lists(values | strategies.none(), min_size=2, max_size=2))
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "t.parquet")
    for read in (read_completions, lambda path: read_values(path, "perplexity")):
        try:
            assert all(isinstance(name, str) for name in read(tmp_path / "t.parquet"))
        except FeynTuneError as error:
            one_line(error, tmp_path)


@BOUNDED
@hypothesis.given(strategies.lists(strategies.floats() | strategies.none(), min_size=1, max_size=5))
def test_only_perplexities_of_one_or_more_pass(values):
    ids = [str(number) for number in range(len(values))]
    fine = all(value is None or 1 - 1e-6 <= value < float("inf") for value in values)
    try:
        check_values(ids, [{"perplexity": value} for value in values], None, "here")
        assert fine
    except FeynTuneError as error:
        assert not fine and str(error).isprintable()
