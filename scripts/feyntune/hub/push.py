"""Pushing files to a repository of the hub: what is there already stays, what is broken off is finished next time."""

import hashlib
import time
from pathlib import Path

from feyntune.core.cli import say
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import write_json
from feyntune.core.hashing import digest

WAITS = (1, 2, 4, 8)
"""Seconds before each further attempt, where the hub names none."""
PASSING = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that another attempt may cure."""
REMEDIES = {
    401: "the hub does not know the token; make one that may write at https://huggingface.co/settings/tokens",
    403: "the token may not write there; check its rights and $.hub.organisation",
    404: "no such user or organisation; check $.hub.organisation",
    429: "the hub still asks to wait",
}


def push(stage, files, token, receipt):
    """Bring files to the hub, in one commit, and write the receipt.

    Args:
        stage: ``settings.hub.PushStage``.
        files: local paths by path in the repository.
        token: the hub's.
        receipt: JSON file that is written last: repository, commit, SHA-256 of each file, and which were sent.

    Raises:
        FeynTuneError: the hub refuses, cannot be reached, or the repository is public and must not be.
    """
    import httpx2
    from huggingface_hub import errors

    try:
        commit, sent = _patiently(lambda: _push_once(stage, files, token))
    except (errors.HfHubHTTPError, httpx2.HTTPError, RuntimeError, ValueError, OSError) as error:
        raise FeynTuneError(f"{stage.repository}: {_told(error)}") from None
    hashes = {name: digest(path) for name, path in files.items()}
    say(f"{len(sent)} of {len(files)} files sent to {stage.repository}, commit {commit[:12]}")
    content = {"repository": stage.repository, "kind": stage.kind, "commit": commit, "files": hashes, "sent": sent}
    write_json(receipt, content)


def _push_once(stage, files, token):
    """Returns the commit that holds all files, and the names of those that had to be sent."""
    from huggingface_hub import CommitOperationAdd, HfApi

    hub = HfApi(token=token)
    where = {"repo_id": stage.repository, "repo_type": stage.kind}
    hub.create_repo(**where, private=stage.private, exist_ok=True)
    there = hub.repo_info(**where, files_metadata=True)
    if stage.private and not there.private:
        raise FeynTuneError(
            f"{stage.repository}: public on the hub, but $.hub.private is true; make it private there, or the key false"
        )
    known = {file.rfilename: file for file in there.siblings}
    changed = [name for name, path in files.items() if name not in known or not _is_same(path, known[name])]
    if not changed:
        return there.sha, []
    operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=files[name]) for name in changed]
    done = hub.create_commit(**where, operations=operations, commit_message=f"FeynTune: {', '.join(changed)}")
    return done.oid, changed


def _is_same(path, there):
    """Whether a local file is what the hub has, by the hash that git has of it, or git LFS."""
    if there.size != Path(path).stat().st_size:
        return False
    if there.lfs:
        return there.lfs.sha256 == digest(path)
    content = Path(path).read_bytes()
    return there.blob_id == hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _patiently(action):
    """The result of ``action``, which may fail in passing a few times, and does what it does only once."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    for wait in WAITS:
        try:
            return action()
        except HfHubHTTPError as error:
            if error.response.status_code not in PASSING:
                raise
            wait = _asked_wait(error.response) or wait
            say(f"the hub answers {error.response.status_code}; once more in {wait} s")
        except httpx2.TransportError as error:
            say(f"{type(error).__name__}; once more in {wait} s")
        time.sleep(wait)
    return action()


def _asked_wait(response):
    asked = response.headers.get("Retry-After", "")
    return int(asked) if asked.isdigit() else None


def _told(error):
    """What is wrong and what to do, in one line."""
    cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
    status = getattr(getattr(cause, "response", None), "status_code", None)
    reason = " ".join(str(cause).split())[:200] or type(cause).__name__
    if status in (401, 403, 404):
        return f"{REMEDIES[status]} (status {status})"
    if status == 400:
        return f"the hub finds fault with it ({reason})"
    if status:
        return f"{REMEDIES.get(status, 'the hub fails')} (status {status}); push again later: nothing is sent twice"
    return f"cannot push ({reason}); push again where there is a network: nothing is sent twice"
