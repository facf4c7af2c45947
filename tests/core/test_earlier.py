"""Outputs that jobs had made before are put back where a job fails, as they were."""

import os

import pytest

from feyntune.core import earlier


@pytest.fixture
def results(tmp_path):
    for name in ("tables/a.csv", "tables/b.csv", "report.html"):
        path = tmp_path / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"earlier {name}")
        os.utime(path, (1000, 1000))
    return tmp_path / "results"


def outputs(results):
    return [results / name for name in ("tables/a.csv", "tables/b.csv", "tables/never.csv", "report.html")]


def state(results):
    return {
        str(path.relative_to(results)): (path.read_text(), path.stat().st_mtime)
        for path in results.rglob("*")
        if path.is_file()
    }


def test_what_is_missing_at_the_end_is_put_back_as_it_was(results):
    before = state(results)
    assert earlier.save(results, outputs(results)) == ([each for each in outputs(results) if each.exists()], [])
    for path in outputs(results):
        path.unlink(missing_ok=True)
    (results / "report.html").write_text("new")
    assert [path.name for path in earlier.put_back(results)] == ["a.csv", "b.csv"]
    after = state(results)
    assert after.pop("report.html")[0] == "new" and before.pop("report.html")
    assert after == before


def test_an_output_that_is_written_in_place_does_not_become_the_earlier_one(results):
    earlier.save(results, outputs(results))
    (results / "tables/a.csv").unlink()
    (results / "tables/a.csv").write_text("half of a new")
    assert earlier.put_back(results) == []
    assert (results / "tables/a.csv").read_text() == "half of a new"


def test_nothing_is_left_of_a_run_without_failures(results):
    before = state(results)
    earlier.save(results, outputs(results))
    assert earlier.put_back(results) == [] and state(results) == before


def test_what_a_killed_run_has_saved_outlives_the_next_run(results):
    earlier.save(results, outputs(results))
    (results / "tables/a.csv").unlink()  # the job has started; then the run is killed
    assert results / "tables/a.csv" in earlier.save(results, [results / "tables/a.csv"])[0]
    assert earlier.put_back(results) == [results / "tables/a.csv"]
    assert state(results)["tables/a.csv"] == ("earlier tables/a.csv", 1000)


def test_a_newer_output_replaces_what_a_killed_run_has_saved(results):
    earlier.save(results, outputs(results))
    (results / "tables/a.csv").unlink()
    (results / "tables/a.csv").write_text("newer")
    earlier.save(results, outputs(results))
    (results / "tables/a.csv").unlink()
    earlier.put_back(results)
    assert (results / "tables/a.csv").read_text() == "newer"


def test_large_files_are_linked(results, monkeypatch):
    monkeypatch.setattr(earlier, "LARGEST", 4)
    before = state(results)
    made = outputs(results)
    assert earlier.save(results, made) == ([made[0], made[1], made[3]], [])
    assert (results / "report.html").samefile(results / earlier.FOLDER / "report.html")
    for path in made:
        path.unlink(missing_ok=True)
    earlier.put_back(results)
    assert state(results) == before


def test_on_a_disk_without_room_for_both_large_files_are_saved_only_if_they_have_another_name(results, monkeypatch):
    monkeypatch.setattr(earlier, "LARGEST", len("earlier report.html"))
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(earlier.shutil, "disk_usage", lambda _: usage)
    large = results / "tables/a.csv", results / "tables/b.csv"
    os.link(large[1], results / "kept.csv")
    saved, too_large = earlier.save(results, outputs(results))
    assert too_large == [large[0]] and saved == [large[1], results / "report.html"]


def test_large_files_are_not_copied(results, monkeypatch):
    def refused(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(earlier, "LARGEST", 50)
    (results / "report.html").write_text("a" * 100)
    monkeypatch.setattr(earlier.os, "link", refused)
    saved, too_large = earlier.save(results, outputs(results))
    assert too_large == [results / "report.html"] and len(saved) == 2


def test_a_file_system_without_hard_links_gets_copies(results, monkeypatch):
    def refused(*_):
        raise OSError(1, "Operation not permitted")

    before = state(results)
    monkeypatch.setattr(earlier.os, "link", refused)
    earlier.save(results, outputs(results))
    (results / "report.html").unlink()
    earlier.put_back(results)
    assert state(results) == before


def test_links_and_folders_are_left_alone(results):
    (results / "link").symlink_to("report.html")
    assert earlier.save(results, [results / "link", results / "tables"]) == ([], [])
