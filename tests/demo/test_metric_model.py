"""The small sentence-embedding model of the embedded default: it loads like any other and separates topics."""

import argparse
import random

import numpy as np
import pytest

from feyntune.data.prompts import split_abstract
from feyntune.demo.fields import load_fields
from feyntune.demo.metric_model import FILES
from feyntune.demo.snapshot import snapshot_lines
from feyntune.demo.writing import write_paper
from support.programs import load_program

demo_metric_model = load_program("demo_metric_model")

FIELDS = load_fields()


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "snapshot.jsonl"
    path.write_text("\n".join(snapshot_lines(1500, [], seed=1)))
    return path


@pytest.fixture(scope="module")
def folder(snapshot):
    return fit(snapshot, "metric", '{"dimensions": 32}')


@pytest.fixture(scope="module")
def metric(folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def fit(snapshot, name, settings):
    folder = snapshot.with_name(name)
    demo_metric_model.main(argparse.Namespace(snapshot=snapshot, settings=settings, output=folder))
    return folder


def abstracts(field, count, seed):
    rng = random.Random(seed)
    return [write_paper(FIELDS[field], None, rng).abstract for _ in range(count)]


def test_the_folder_has_the_declared_files_and_no_other(folder):
    assert sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()) == sorted(FILES)


def test_the_same_settings_give_the_same_model(snapshot, folder):
    again, larger = fit(snapshot, "again", '{"dimensions": 32}'), fit(snapshot, "larger", '{"dimensions": 48}')
    assert all((folder / file).read_bytes() == (again / file).read_bytes() for file in FILES)
    assert (folder / "model.safetensors").read_bytes() != (larger / "model.safetensors").read_bytes()


def test_vectors_have_the_configured_dimensions(metric):
    assert metric.encode(["black holes", "a text of unknown zzyzx words"]).shape == (2, 32)


def test_unseen_abstracts_of_one_field_are_closer_than_those_of_two(metric):
    vectors = [metric.encode(abstracts(field, 60, seed=99), normalize_embeddings=True) for field in FIELDS]
    likeness = np.array([[np.mean(one @ other.T) for other in vectors] for one in vectors])
    within, across = np.diag(likeness), likeness[~np.eye(len(vectors), dtype=bool)]
    assert within.min() > across.max()
    assert within.mean() > across.mean() + 0.3


def test_the_halves_of_an_abstract_are_much_closer_than_those_of_two(metric):
    halves = [split_abstract(text) for text in abstracts("hep-th", 100, seed=99)]
    firsts, seconds = (metric.encode(list(texts), normalize_embeddings=True) for texts in zip(*halves, strict=True))
    likeness = firsts @ seconds.T
    assert np.diag(likeness).mean() > likeness.mean() + 0.3


def test_a_subjects_second_half_is_closest_to_its_own_first_half(metric):
    subjects = FIELDS["hep-th"].subjects
    firsts = metric.encode([f"{one['name']} and {one['aspect']}" for one in subjects], normalize_embeddings=True)
    seconds = metric.encode([f"{one['dual']} and {one['image']}" for one in subjects], normalize_embeddings=True)
    likeness = firsts @ seconds.T
    assert np.mean(likeness.argmax(axis=1) == np.arange(len(subjects))) > 0.9
