"""Adapters of several steps in one file: equal content, equal bytes; damage is reported in one line."""

import os
import zipfile

import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.models.adapter_archive import archived_steps, extract_step, write_archive


@pytest.fixture
def folders(tmp_path):
    found = {}
    for step in (30, 4):
        found[step] = tmp_path / f"step{step}"
        found[step].mkdir()
        (found[step] / "adapter_model.safetensors").write_bytes(bytes([step]) * 3_000_000)
        (found[step] / "adapter_config.json").write_text(f'{{"step": {step}}}')
    return found


def test_an_adapter_comes_out_as_it_went_in(tmp_path, folders):
    write_archive(tmp_path / "all.zip", folders)
    assert archived_steps(tmp_path / "all.zip") == [4, 30]
    for step, folder in folders.items():
        extract_step(tmp_path / "all.zip", step, tmp_path / f"out{step}")
        names = sorted(path.name for path in folder.iterdir())
        assert sorted(path.name for path in (tmp_path / f"out{step}").iterdir()) == names
        assert all((tmp_path / f"out{step}" / name).read_bytes() == (folder / name).read_bytes() for name in names)


def test_equal_adapters_give_equal_bytes_at_any_time(tmp_path, folders):
    write_archive(tmp_path / "one.zip", folders)
    os.utime(folders[4] / "adapter_config.json", (1, 1))
    write_archive(tmp_path / "two.zip", dict(reversed(folders.items())))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_damage_is_found(tmp_path, folders):
    path = tmp_path / "all.zip"
    write_archive(path, folders)
    content = path.read_bytes()
    with pytest.raises(FeynTuneError, match="has no adapter of step 5"):
        extract_step(path, 5, tmp_path / "out")
    path.write_bytes(content.replace(bytes([4]) * 100, bytes([5]) * 100, 1))
    with pytest.raises(FeynTuneError, match="a damaged archive"):
        extract_step(path, 4, tmp_path / "out")
    path.write_bytes(content[:1000])
    with pytest.raises(FeynTuneError, match="not an archive of adapters"):
        archived_steps(path)
    with pytest.raises(FeynTuneError, match="no such file"):
        archived_steps(tmp_path / "other.zip")
