"""Configuration files are read strictly: each fault is one line with file, place and remedy."""

import pytest

from feyntune.config.files import LARGEST, read_yaml
from feyntune.core.errors import FeynTuneError
from support.workspace import PROJECT

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize("path", sorted((PROJECT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_configurations_pass(path):
    assert read_yaml(path)["seed"] == 42


def test_json_anchors_merge_keys_and_a_byte_order_mark_are_accepted(tmp_path):
    (tmp_path / "c.json").write_text('{"seed": 1, "lora": {"r": 2}}')
    assert read_yaml(tmp_path / "c.json") == {"seed": 1, "lora": {"r": 2}}
    (tmp_path / "c.yaml").write_bytes(b"\xef\xbb\xbfa: &a {x: 1}\nb: {<<: *a, y: 2}\nc: *a\n")
    assert read_yaml(tmp_path / "c.yaml") == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 1}}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"seed: 1\nlora: {r: 1}\nseed: 2\n", "line 3: key 'seed' occurs twice; keep one of them"),
        (b"training:\n  schedule: {name: a, name: b}\n", "line 2: key 'name' occurs twice"),
        ("seed: 1 # für\n".encode("latin-1"), "not a text in UTF-8; save it in that encoding"),
        ("seed: 1\n".encode("utf-16"), "not a text in UTF-8"),
        (b"a: &t {b: *t}\n", "line 1: an anchor contains itself"),
        (BOMB.encode(), "more than 100,000 values once aliases are expanded"),
        (b"- a\n", "no keys at the top level"),
        (b"", "no keys at the top level"),
        (b"a: [1\nb: ]{\n", "line 2: not valid YAML"),
        (b"a: b\n\tc: d\n", "line 2: not valid YAML"),
        (b"a: 2024-99-99\n", "not valid YAML ('month must be in 1..12')"),
        (b"a: !!python/object/apply:os.system ['x']\n", "line 1: not valid YAML (could not determine a constructor"),
        (b"a: \x00\n", "not valid YAML"),
        (b"a: " + b"[" * 5000 + b"]" * 5000, "not valid YAML"),
        (b"#" * (LARGEST + 1), "larger than 10 MB"),
    ],
)
def test_a_fault_is_one_short_line(tmp_path, monkeypatch, content, fault):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_bytes(content)
    with pytest.raises(FeynTuneError) as caught:
        read_yaml("c.yaml")
    message = str(caught.value)
    assert message.startswith("config: c.yaml: ") and fault in message
    assert "\n" not in message and len(message) <= 200


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(FeynTuneError, match="none: no such file"):
        read_yaml(tmp_path / "none")
    with pytest.raises(FeynTuneError, match="is a folder; name a file"):
        read_yaml(tmp_path)
