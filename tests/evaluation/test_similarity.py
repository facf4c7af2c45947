"""Cosine matrices and their statistics against numpy."""

import json

import numpy as np
import pytest
import torch

from feyntune.core.errors import FeynTuneError
from feyntune.core.tensors import write_tensors
from feyntune.evaluation import similarity
from support.programs import load_program

program = load_program("similarity")

QUARTILES = {"q25": 0.25, "median": 0.5, "q75": 0.75}


def embeddings_at(path, count, bos=True, **changes):
    """Write random embeddings as perplexity.py does."""
    draws = torch.Generator().manual_seed(count)
    content = {
        "ids": [f"p{number}" for number in range(count)],
        "embeddings": torch.randn(count, 5, generator=draws),
        "tokens": torch.randint(1, 9, (count,), generator=draws),
        "bos": 3 * torch.randn(5, generator=draws) if bos else None,
        "settings": {"run": "tiny_base"},
    }
    write_tensors(path, {**content, **changes})
    return content


@pytest.mark.parametrize("count", [1, 2, 7, 50])
@pytest.mark.parametrize("pool_bos", [False, True])
def test_matrix_is_numpys(tmp_path, monkeypatch, count, pool_bos):
    monkeypatch.setattr(similarity, "BLOCK", 4)
    content = embeddings_at(tmp_path / "e.pt", count)
    vectors = content["embeddings"].double()
    if pool_bos:
        tokens = content["tokens"][:, None]
        vectors = (vectors * tokens + content["bos"]) / (tokens + 1)
    unit = (vectors / vectors.norm(dim=1, keepdim=True)).numpy()
    matrix = similarity.cosine_matrix(tmp_path / "e.pt", pool_bos, torch.float32).numpy()
    assert np.allclose(matrix, unit @ unit.T, atol=1e-6)
    assert (matrix == matrix.T).all()
    assert (np.diag(matrix) == 1).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("count", [2, 3, 4, 5, 40, 101])
def test_statistics_are_numpys(tmp_path, count, dtype):
    embeddings_at(tmp_path / "e.pt", count)
    matrix = similarity.cosine_matrix(tmp_path / "e.pt", False, dtype)
    statistics = similarity.similarity_statistics(matrix)
    entries = matrix.numpy().astype(np.float64)
    for ending, values in (("", entries[~np.eye(count, dtype=bool)]), ("_diagonal", entries.ravel())):
        assert statistics[f"min{ending}"] == values.min()
        assert statistics[f"mean{ending}"] == pytest.approx(values.mean(), rel=1e-12)
        assert statistics[f"std{ending}"] == pytest.approx(values.std(), rel=1e-9)
        for name, share in QUARTILES.items():
            assert statistics[f"{name}{ending}"] == np.quantile(values, share, method="inverted_cdf")


def test_ties_and_signs_are_ordered_rightly():
    values = torch.tensor([-1.0, -0.5, -0.5, -1e-30, 0.0, 1e-30, 0.25, 0.25, 0.25, 1.0])
    matrix = torch.eye(5)
    matrix[tuple(torch.triu_indices(5, 5, 1))] = values
    assert [similarity._pair_at_rank(matrix, rank) for rank in range(1, 11)] == values.tolist()
    assert similarity._pair_at_rank(matrix, 11) == 1


def test_one_abstract_has_no_pairs():
    statistics = similarity.similarity_statistics(torch.ones(1, 1))
    assert statistics["mean"] is None
    assert (statistics["mean_diagonal"], statistics["std_diagonal"]) == (1, 0)


@pytest.mark.parametrize("value", [0.0, torch.nan, torch.inf])
def test_an_embedding_without_direction_is_named(tmp_path, value):
    vectors = torch.ones(3, 5)
    vectors[1] = value
    embeddings_at(tmp_path / "e.pt", 3, embeddings=vectors)
    with pytest.raises(FeynTuneError, match="norm of embeddings is zero or not finite: p1; compute them again"):
        similarity.cosine_matrix(tmp_path / "e.pt", False, torch.float32)


def test_a_missing_bos_is_refused(tmp_path):
    embeddings_at(tmp_path / "e.pt", 3, bos=False)
    with pytest.raises(FeynTuneError, match=r"no BOS to include; set similarity\.pool_bos: false"):
        similarity.cosine_matrix(tmp_path / "e.pt", True, torch.float32)


def run_program(parse, folder, **settings):
    program.main(
        parse(program, embeddings=folder / "e.pt", settings=json.dumps(settings), output=folder / "s.pt",
              statistics=folder / "s.json")
    )  # fmt: skip
    return torch.load(folder / "s.pt", weights_only=True), json.loads((folder / "s.json").read_text())


def test_program_keeps_one_matrix_and_gives_statistics_both_ways(tmp_path, parse):
    embeddings_at(tmp_path / "e.pt", 20)
    content, statistics = run_program(parse, tmp_path, pool_bos=True)
    assert content["ids"][:2] == ["p0", "p1"]
    assert content["settings"] == {"pool_bos": True, "dtype": "float32"}
    assert content["scoring"] == {"settings": {"run": "tiny_base"}}
    kept = similarity.similarity_statistics(content["matrix"])
    assert {f"{name}_bos": value for name, value in kept.items()}.items() <= statistics.items()
    assert statistics["mean"] != statistics["mean_bos"]
    assert len(statistics) == 24


def test_program_without_bos_and_in_half_precision(tmp_path, parse):
    embeddings_at(tmp_path / "e.pt", 20, bos=False)
    content, statistics = run_program(parse, tmp_path, dtype="float16")
    assert content["matrix"].dtype == torch.float16
    assert len(statistics) == 12


def test_same_bytes_twice(tmp_path, parse):
    embeddings_at(tmp_path / "e.pt", 20)
    run_program(parse, tmp_path)
    first = (tmp_path / "s.pt").read_bytes()
    run_program(parse, tmp_path)
    assert (tmp_path / "s.pt").read_bytes() == first


@pytest.mark.parametrize(
    ("content", "fault"),
    [(None, "no such file"), (b"junk", "not a readable .pt file"), (b"", "not a readable .pt file")],
)
def test_files_without_embeddings_are_reported(tmp_path, content, fault):
    if content is not None:
        (tmp_path / "e.pt").write_bytes(content)
    with pytest.raises(FeynTuneError, match=fault):
        similarity.has_bos(tmp_path / "e.pt")


def test_a_dict_without_embeddings_is_reported(tmp_path):
    write_tensors(tmp_path / "e.pt", {"ids": []})
    with pytest.raises(FeynTuneError, match="no 'bos' in it"):
        similarity.has_bos(tmp_path / "e.pt")
