"""Pushing files to a repository of the hub: files that it has are not sent again, an interrupted push is completed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, TypeVar, cast

from feyntune.core.cli import say
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import write_json
from feyntune.core.hashing import digest, git_digest
from feyntune.core.integrity import check_sent
from feyntune.core.secrets import HUB, SOURCES
from feyntune.hub.client import limit_silence

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub.hf_api import DatasetInfo, ModelInfo, RepoSibling

    from feyntune.config.schema.hub import PushStage

WAITS = (1, 2, 4, 8)
"""Seconds before each further attempt, unless the hub names them."""
TEMPORARY = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which another attempt may succeed."""
REMEDIES = {
    401: f"the hub refused the token in {' or '.join(HUB)}; create one that may write at {SOURCES[HUB]}",
    403: "the token may not write there; check its rights and $.hub.organisation",
    404: "no such user or organisation; check $.hub.organisation",
    429: "the hub still asks to wait",
}


@dataclass(frozen=True)
class PushJob:
    """Files to push, and where to."""

    stage: PushStage
    """Repository, its kind, and whether it must be private."""
    files: Mapping[str, Path]
    """Local paths by path in the repository."""
    receipt: Path
    """JSON file that is written last: repository, commit, SHA-256 of each file, and the files that were sent."""


def files_in(folder: Path) -> dict[str, Path]:
    """The files of a folder by path in the repository, except hidden ones."""
    paths = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name.as_posix(): path for name, path in paths.items() if not any(part[0] == "." for part in name.parts)}


def push(job: PushJob, token: str) -> None:
    """Bring files to the hub, in one commit, and write the receipt.

    Args:
        job: files and repository.
        token: the hub's token.

    Raises:
        FeynTuneError: a file is not as it was recorded; the hub refuses, cannot be reached, or the repository is public
            and must not be.
    """
    import httpx2
    from huggingface_hub import errors

    stage, files = job.stage, job.files
    check_sent(files)
    limit_silence()
    try:
        commit, sent = _with_retries(lambda: _push_once(stage, files, token))
    except (errors.HfHubHTTPError, httpx2.HTTPError, RuntimeError, ValueError, OSError) as error:
        raise FeynTuneError(f"{stage.repository}: {_message(error)}") from None
    hashes = {name: digest(path) for name, path in files.items()}
    say(f"{len(sent)} of {len(files)} files sent to {stage.repository}, commit {commit[:12]}")
    content = {"repository": stage.repository, "kind": stage.kind, "commit": commit, "files": hashes, "sent": sent}
    write_json(job.receipt, content)


class _Where(TypedDict):
    """A repository, as the hub's functions take it."""

    repo_id: str
    repo_type: str


def _push_once(stage: PushStage, files: Mapping[str, Path], token: str) -> tuple[str, list[str]]:
    """Push the files that differ; returns the commit that has all files, and the names of those that were sent."""
    from huggingface_hub import CommitOperationAdd, HfApi

    hub = HfApi(token=token)
    where: _Where = {"repo_id": stage.repository, "repo_type": stage.kind}
    hub.create_repo(**where, private=stage.private, exist_ok=True)
    remote = cast("ModelInfo | DatasetInfo", hub.repo_info(**where, files_metadata=True))
    if stage.private and not remote.private:
        raise FeynTuneError(
            f"{stage.repository}: public on the hub, but $.hub.private is true; make it private there, or the key false"
        )
    known = {file.rfilename: file for file in cast("list[RepoSibling]", remote.siblings)}
    changed = [name for name, path in files.items() if name not in known or not _is_same(path, known[name])]
    if not changed:
        return cast("str", remote.sha), []
    operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=files[name]) for name in changed]
    done = hub.create_commit(**where, operations=operations, commit_message=f"FeynTune: {', '.join(changed)}")
    return done.oid, changed


def _is_same(path: Path, remote: RepoSibling) -> bool:
    """Whether a local file equals the hub's, by its hash in git, or in git LFS."""
    if remote.size != path.stat().st_size:
        return False
    if remote.lfs:
        return remote.lfs.sha256 == digest(path)
    return remote.blob_id == git_digest(path)


Result = TypeVar("Result")


def _with_retries(action: Callable[[], Result]) -> Result:
    """The result of ``action``, which may fail temporarily a few times; what it did before a failure must be kept."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    for wait in WAITS:
        try:
            return action()
        except HfHubHTTPError as error:
            if error.response.status_code not in TEMPORARY:
                raise
            wait = _asked_wait(error.response) or wait
            say(f"the hub answers {error.response.status_code}; next attempt in {wait} s")
        except httpx2.TransportError as error:
            say(f"{type(error).__name__}; next attempt in {wait} s")
        time.sleep(wait)
    return action()


def _asked_wait(response: httpx2.Response) -> int | None:
    asked = response.headers.get("Retry-After", "")
    return int(asked) if asked.isdigit() else None


def _message(error: Exception) -> str:
    """The fault and its remedy, in one line."""
    cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
    status = getattr(getattr(cause, "response", None), "status_code", None)
    reason = " ".join(str(cause).split())[:200] or type(cause).__name__
    if status in (401, 403, 404):
        return f"{REMEDIES[status]} (status {status})"
    if status == 400:
        return f"the hub rejects the files ({reason})"
    if status:
        return f"{REMEDIES.get(status, 'the hub fails')} (status {status}); push again later: nothing is sent twice"
    return f"cannot push ({reason}); push again where there is a network: nothing is sent twice"
