"""The training texts of the embedded default: usable lines of a snapshot, or one clear line."""

import json

import pytest

from feyntune.demo.texts import snapshot_texts
from support.damage import refusal

PAPER = {"abstract": " One\n two. ", "categories": "hep-th gr-qc"}


def test_lines_that_are_no_papers_are_skipped(tmp_path):
    lines = [json.dumps(PAPER), "3", "[1]", "cut", "[" * 9000, "null", "", *(
        json.dumps({**PAPER, **change}) for change in ({"abstract": None}, {"abstract": 5}, {"categories": " "})
    )]  # fmt: skip
    (tmp_path / "s.jsonl").write_text("\n".join(lines))
    assert snapshot_texts(tmp_path / "s.jsonl") == ["One two."]


@pytest.mark.parametrize("content", [b"", b"<html>", bytes(range(256)), json.dumps(PAPER).encode()])
def test_a_file_without_a_text_is_one_line(tmp_path, content):
    (tmp_path / "s.jsonl").write_bytes(content)
    refusal(lambda: snapshot_texts(tmp_path / "s.jsonl", without={"hep-th"}), tmp_path, "s.jsonl: no")
    refusal(lambda: snapshot_texts(tmp_path), tmp_path, "not a file")
