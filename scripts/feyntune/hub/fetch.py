"""Fetching from the Hugging Face hub: pinned revisions only, into the ordinary cache, only where a network is."""

from pathlib import Path

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import write_json
from feyntune.core.secrets import HUB, read_secret

WEIGHTS = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.py", "README.md")
"""Files of a model, tokenizer, metric or adapter, and its card, which tells the licence; never pickles."""
NOT_OURS = ("*/*.safetensors", "original/*")
"""Copies of the weights in other formats, which some repositories hold in folders of their own."""


TABLES = ("*.parquet", "*.jsonl", "*.json", "*.json.gz", "*.jsonl.gz", "README.md")
"""Files of a dataset, and its card, which tells the split of each file."""
FILES = {
    "model": {"allow_patterns": WEIGHTS, "ignore_patterns": NOT_OURS},
    "dataset": {"allow_patterns": TABLES},
}
"""What is fetched of a repository of either kind."""


def fetch(repository, revision, folder, receipt, kind="model"):
    """Fetch a repository into the cache and link its files into ``folder``.

    Args:
        repository: ``organisation/name`` on the hub.
        revision: a commit or tag of it.
        folder: where links to the cached files are made.
        receipt: JSON file that is written last, with the commit and the hub's hash of every file: it changes when
            the files do.
        kind: ``model`` (also of metrics and adapters) or ``dataset``.
    """
    cached = Path(download(repository, revision, kind, **FILES[kind]))
    files = sorted(file.relative_to(cached) for file in cached.rglob("*") if file.is_file())
    for file in files:
        _link(cached / file, Path(folder) / file)
    hashes = {str(file): (cached / file).resolve().name for file in files}
    write_json(receipt, {"repository": repository, "commit": cached.name, "files": hashes})


def download(repository, revision, kind="model", **patterns):
    """Download a snapshot of a repository (``kind``: model or dataset) and return its folder in the cache.

    What was downloaded before is taken from the cache; a download that broke off is resumed.

    Raises:
        FeynTuneError: no network, no such repository or revision, or no access.
    """
    import huggingface_hub
    from huggingface_hub import errors

    try:
        return huggingface_hub.snapshot_download(
            repository, revision=revision, repo_type=kind, token=read_secret(HUB), **patterns
        )
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, errors.HfHubHTTPError, OSError) as error:
        raise FeynTuneError(f"{repository} at {revision}: {_remedy(error)}") from None


def _remedy(error):
    """What is wrong and what to do about it; the more special faults first, for they are kinds of the others."""
    from huggingface_hub import errors

    remedies = {
        errors.GatedRepoError: "gated; ask for access on its page and set HF_TOKEN in the environment or in .env",
        errors.RevisionNotFoundError: "the hub has no such revision; name a commit of the repository",
        errors.RepositoryNotFoundError: "no such repository on the hub, or private: check its name and HF_TOKEN",
    }
    known = next((remedy for kind, remedy in remedies.items() if isinstance(error, kind)), None)
    reason = str(error).strip().splitlines()[0]
    return known or f"cannot fetch it ({reason}); run `snakemake fetch` where there is a network"


def _link(target, link):
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)
