"""The matrix of all cosines of N embeddings of width 4,096, against one plain fp32 matrix product of the same size."""

import torch

from benchmarks.comparison import OURS, REFERENCE, Benchmark, Case

WIDTH = 4096


def prepare(count, folder):
    """So many random embeddings, in a file like those of ``perplexity.py``."""
    from feyntune.evaluation.similarity import cosine_matrix

    path = folder / "embeddings.pt"
    if not path.is_file():
        torch.manual_seed(0)
        content = {
            "ids": [str(number) for number in range(count)],
            "embeddings": torch.randn(count, WIDTH) + 0.5,
            "tokens": torch.full((count,), 150),
            "bos": None,
        }
        torch.save(content, path)
    ways = {REFERENCE: lambda: _product(path), OURS: lambda: cosine_matrix(path, False, torch.float32)}
    return Case(count, ways, flops=count**2 * WIDTH, moved=count**2 * 4)


def _product(path):
    means = torch.load(path, weights_only=True)["embeddings"]
    unit = means / means.norm(dim=1, keepdim=True)
    return unit @ unit.T


def check(results):
    """Equal to the rounding of fp32."""
    parts = zip(results[REFERENCE].split(1024), results[OURS].split(1024), strict=True)
    difference = max((slow - fast).abs().max().item() for slow, fast in parts)
    assert difference < 1e-5, difference
    return f"cosines differ by at most {difference:.0e}"


BENCHMARKS = [
    Benchmark(
        name="similarity",
        title="similarity matrix, width 4,096, against one matrix product",
        unit="abstracts",
        sizes=(4000, 8000, 16000),
        prepare=prepare,
        check=check,
        least_ratio=1 / 1.1,
        most_memory=lambda count: 1.3 * count**2 * 4 / 2**20,
    )
]
