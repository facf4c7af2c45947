"""Publishing by the workflow: one deliberate command, whole receipts, and no secret left anywhere."""

import json

import pytest

from support.loopback_push import PushHub
from support.loopback_wandb import Wandb
from support.planted import QUICK, SECRETS, traces

pytestmark = pytest.mark.end_to_end

RUN = "tiny_hep-th_qkv"
OWN = ("--config", "hub={organisation: me}")
MERGED = ("--config", "hub={organisation: me, push_merged: true}")
TABLES = ("infer", "perplexity", "sem_scores", "jina", "rouge", "repetition")


@pytest.fixture
def hub(workspace):
    """A hub and a W&B on the loopback, which the workspace's programs find."""
    hub, wandb = PushHub(), Wandb()
    with hub.serving() as address, wandb.serving() as other:
        workspace.environment |= {
            "HF_ENDPOINT": address,
            "WANDB_BASE_URL": other,
            "HF_HUB_DISABLE_XET": "1",
            "HF_DEBUG": "1",
        }
        yield hub


def test_nothing_is_pushed_unasked(done, workspace, hub):
    assert not (done.folder / "results/hub").exists()
    finished = workspace.snakemake(*QUICK, *OWN)
    assert "Nothing to be done" in finished.stdout
    assert hub.requests == []


def test_push_publishes_adapters_and_tables_and_sync_the_recordings_without_a_trace_of_secrets(workspace, hub):
    said = [workspace.snakemake(*QUICK, "--verbose", *MERGED, "--", "push").stdout]
    models = {f"models/me/{RUN}", f"models/me/{RUN}-merged"}
    assert set(hub.repositories) == {*models, *(f"datasets/me/{name}_hep-th" for name in TABLES)}
    receipt = json.loads((workspace.folder / f"results/hub/{RUN}.json").read_text())
    pushed = hub.repositories[f"models/me/{RUN}"]
    weights = (workspace.folder / f"results/adapters/{RUN}/adapter_model.safetensors").read_bytes()
    assert receipt["commit"] == pushed.commits[-1] and pushed.files["adapter_model.safetensors"] == weights
    merged = hub.repositories[f"models/me/{RUN}-merged"].files
    assert {"README.md", "config.json", "generation_config.json", "tokenizer.json", "model.safetensors"} <= set(merged)
    receipt = json.loads((workspace.folder / f"results/hub/merged/{RUN}.json").read_text())
    assert sorted(receipt["files"]) == sorted(set(merged) - {".gitattributes"})
    assert "Nothing to be done" in workspace.snakemake(*QUICK, *MERGED, "--", "push").stdout
    said += [workspace.snakemake(*QUICK, "--verbose", "--", "sync").stdout]
    assert "recordings sent to W&B" in said[-1]
    said += failures(workspace, hub)
    for name in ("HF_TOKEN", "WANDB_API_KEY"):
        assert workspace.environment[name] == SECRETS[name]
    assert traces(workspace.folder, said) == []


def failures(workspace, hub):
    """What is said when a push, a fetch, a synchronisation, a training are refused, each as loudly as can be."""
    (workspace.folder / f"results/hub/{RUN}.json").unlink()
    hub.faults = [("GET", "/api/models/", 403, {}), ("POST", "/api/repos/create", 403, {})]
    wanted = (
        [*OWN, "--", f"results/hub/{RUN}.json"],
        ["--config", "models={other: {hub: me/none, revision: a}}", "--", "fetch"],
        ["--config", "layer_sets={qkv: [query]}", "tracking={wandb: online}", "--", f"results/adapters/{RUN}/run.json"],
    )
    finished = [workspace.snakemake(*QUICK, "--verbose", *options) for options in wanted]
    assert [each.returncode for each in finished] == [1, 1, 1]
    assert "the token may not write there" in finished[0].stdout
    return [each.stdout for each in finished]


def test_traces_are_found_where_there_are_any(tmp_path):
    (tmp_path / "some.log").write_text(f"Authorization: Bearer {SECRETS['HF_TOKEN']}")
    assert traces(tmp_path, [SECRETS["WANDB_API_KEY"]]) == [
        ("HF_TOKEN", str(tmp_path / "some.log")),
        ("WANDB_API_KEY", "text 0"),
    ]
