"""Fetching from the Hugging Face hub: pinned revisions, into the ordinary cache, on machines with a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import reason, write_json
from feyntune.core.integrity import FETCHED, check_digests
from feyntune.core.secrets import HUB, read_secret
from feyntune.hub.client import limit_silence
from feyntune.hub.remote_code import add_code

Kind = Literal["model", "dataset"]
"""Kind of a repository; metrics and adapters are models."""

WEIGHTS = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.py", "README.md")
"""Files of a model, tokenizer, metric or adapter, and its card, which names the licence; never pickles."""
OTHER_FORMATS = ("*/*.safetensors", "original/*")
"""Copies of the weights in other formats, which some repositories have in subfolders."""
TABLES = ("*.parquet", "*.jsonl", "*.json", "*.json.gz", "*.jsonl.gz", "README.md")
"""Files of a dataset, and its card, which names the split of each file."""
FILES: Mapping[Kind, Mapping[str, Sequence[str]]] = {
    "model": {"allow_patterns": WEIGHTS, "ignore_patterns": OTHER_FORMATS},
    "dataset": {"allow_patterns": TABLES},
}
"""The files that are fetched from a repository of each kind."""
MODULES = "[0-9]_*/model.safetensors"
"""Weights of modules that sentence-transformers puts behind the transformer, such as ``2_Dense``."""


STATUSES = {
    401: f"the hub refused the token; renew {' or '.join(HUB)} in the environment or in .env, or remove it",
    403: f"the token in {' or '.join(HUB)} has no access to it; check the rights of the token",
    404: "the hub does not have it; check its name, and HF_ENDPOINT if you set it",
}
"""What some statuses of the hub mean."""


@dataclass(frozen=True)
class FetchJob:
    """A repository to fetch, and where to put it."""

    repository: str
    """``organisation/name`` on the hub."""
    revision: str
    """A commit or tag of it."""
    folder: Path
    """Where links to the cached files are made."""
    receipt: Path
    """JSON file that is written last: commit and the hub's hash of every file, so that it changes when they do."""
    kind: Kind = "model"
    adapter: str | None = None
    """Also fetch the PEFT adapter in this subfolder of a model."""
    code: bool = False
    """Also fetch the Python files of other repositories that the model's ``auto_map`` names, and pin them."""


def fetch(job: FetchJob) -> None:
    """Fetch a repository into the cache and link its files into the job's folder.

    Raises:
        FeynTuneError: no network, no such repository, revision or adapter, no access, or a damaged file in the cache.
    """
    cached = Path(download(job.repository, job.revision, job.kind, **FILES[job.kind]))
    if job.kind == "model":
        _fetch_subfolders(job, cached)
    files = sorted(file.relative_to(cached) for file in cached.rglob("*") if file.is_file())
    for file in files:
        _link(cached / file, job.folder / file)
    hashes = {str(file): (cached / file).resolve().name for file in files}
    check_digests(job.folder, hashes, FETCHED)  # the client compares sizes only
    content = {"repository": job.repository, "commit": cached.name, "files": hashes}
    if job.code:
        content["code"] = add_code(job.folder, cached.name, _fetch_code)
    write_json(job.receipt, content)


def _fetch_subfolders(job: FetchJob, cached: Path) -> None:
    """Fetch the weights in subfolders that are no copies in another format."""
    adapter = [f"{job.adapter}/adapter_config.json", f"{job.adapter}/adapter_model.safetensors"] if job.adapter else []
    download(job.repository, job.revision, job.kind, allow_patterns=[MODULES, *adapter])
    missing = [file for file in adapter if not (cached / file).is_file()]
    if missing:
        raise FeynTuneError(f"{job.repository} at {job.revision}: no {missing[0]}; correct the metric's 'adapter'")


def _fetch_code(repository: str, revision: str) -> Path:
    return Path(download(repository, revision, allow_patterns=["*.py"]))


def download(repository: str, revision: str, kind: Kind = "model", **options: Sequence[str] | str | Path) -> str:
    """Download a snapshot of a repository; returns its folder in the cache.

    Files that the cache has are not downloaded again; an interrupted download is resumed.

    Args:
        repository: ``organisation/name`` on the hub.
        revision: a commit or tag of it.
        kind: kind of the repository.
        options: as ``huggingface_hub.snapshot_download`` takes them.

    Raises:
        FeynTuneError: no network, no such repository or revision, or no access.
    """
    import httpx2
    import huggingface_hub
    from huggingface_hub import errors

    limit_silence()
    try:
        return huggingface_hub.snapshot_download(
            repository, revision=revision, repo_type=kind, token=read_secret(HUB), **cast("dict[str, Any]", options)
        )
    except (
        errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, errors.HfHubHTTPError, httpx2.HTTPError, OSError
    ) as error:  # fmt: skip
        raise FeynTuneError(f"{repository} at {revision}: {_remedy(error)}") from None


def _remedy(error: Exception) -> str:
    """The fault and its remedy. Special errors come first: they are subclasses of the general ones."""
    from huggingface_hub import errors

    remedies = {
        errors.GatedRepoError: f"gated; ask for access on its page, and set {HUB[0]} in the environment or in .env",
        errors.RevisionNotFoundError: "the hub has no such revision; name a commit of the repository",
        errors.RepositoryNotFoundError: f"no such repository on the hub, or private: check its name and {HUB[0]}",
    }
    causes = (error, error.__cause__)  # the client wraps what the hub answered in "not in the cache"
    known = next((remedy for kind, remedy in remedies.items() if any(isinstance(each, kind) for each in causes)), None)
    status = next((each.response.status_code for each in causes if isinstance(each, errors.HfHubHTTPError)), None)
    if known:
        return known
    if status in STATUSES:
        return f"{STATUSES[status]} (status {status})"
    if status:
        return f"the hub fails (status {status}); run `snakemake fetch` again later"
    return f"cannot fetch it ({reason(error)}); run `snakemake fetch` where there is a network"


def _link(target: Path, link: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)
