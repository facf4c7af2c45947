"""Compute the cosines between all abstracts of an evaluation set in one model's embeddings, and their statistics."""

from pathlib import Path

from feyntune.config.schema.similarity import Similarity
from feyntune.core.cli import launch, read_settings


def arguments(parser):
    """Declare the options."""
    parser.add_argument("--embeddings", type=Path, required=True, help=".pt file of score.py")
    parser.add_argument("--settings", required=True, help="Similarity, as JSON or a file of it")
    parser.add_argument("--output", type=Path, required=True, help=".pt file to write, with the matrix")
    parser.add_argument(
        "--statistics", type=Path, required=True, help="JSON file to write, with a flat dict of numbers"
    )


def main(options):
    """Compute the matrix that is kept, and statistics with and without BOS in the means that embeddings are."""
    settings = read_settings(Similarity, options.settings)

    import torch

    from feyntune.core.files import write_json
    from feyntune.evaluation.similarity import cosine_matrix, has_bos, similarity_statistics, write_similarity

    def statistics(matrix, pool_bos):
        ending = "_bos" if pool_bos else ""
        return {f"{name}{ending}": value for name, value in similarity_statistics(matrix).items()}

    dtype, kept = getattr(torch, settings.dtype), settings.pool_bos
    path, measured = options.embeddings, {}
    if has_bos(path):
        measured |= statistics(cosine_matrix(path, not kept, dtype), not kept)
    matrix = cosine_matrix(path, kept, dtype)
    measured |= statistics(matrix, kept)
    write_similarity(options.output, matrix, path, settings)
    write_json(options.statistics, dict(sorted(measured.items())))


if __name__ == "__main__":
    launch(__doc__, arguments, main)
