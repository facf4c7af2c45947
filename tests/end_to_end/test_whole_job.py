"""The whole job with its real parts, at a size that learns nothing: run, run again, break, mend."""

import json
import os
import shutil
import signal
import subprocess
import time

import pyarrow.parquet
import pytest

from support.planted import QUICK

pytestmark = pytest.mark.end_to_end

TRAINED, BASE = "tiny_hep-th_qkv", "tiny_base"
COLUMNS = {
    "completions": ["id", "prompt", "y_true", "prediction", "completion", "prompt_tokens", "new_tokens", "stopped"],
    "perplexity": ["id", "tokens", "nll", "perplexity", "bits_per_byte"],
    "semscore": ["id", "score", "score_continuation", "truncated"],
    "rouge": ["id", "rouge1", "rouge2", "rougeL"],
    "jina": ["id", "score", "score_continuation", "truncated"],
}


def rules_run(workspace):
    """The names of the rules that the last Snakemake process has run, from its own log."""
    lines = max((workspace.folder / ".snakemake/log").iterdir()).read_text().splitlines()
    return {line.split("Rule: ")[1].rstrip(")") for line in lines if line.startswith("Finished jobid")}


@pytest.mark.parametrize("kind", COLUMNS)
def test_every_run_has_its_tables_and_they_are_pooled(done, kind):
    for run in (BASE, TRAINED):
        table = pyarrow.parquet.read_table(done.folder / f"results/{kind}/hep-th/{run}.parquet")
        assert (table.num_rows, table.column_names) == (8, COLUMNS[kind])
    pooled = pyarrow.parquet.read_table(done.folder / f"results/{kind}/all.parquet")
    assert pooled.column_names == ["set", "run", "model", "dataset", "layers", *COLUMNS[kind]]
    assert pooled.num_rows == 16


def test_the_adapter_loads_with_peft(done):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(done.folder / "results/demo/model")
    adapted = PeftModel.from_pretrained(base, done.folder / f"results/adapters/{TRAINED}")
    names = {name.split(".")[-4] for name, _ in adapted.named_parameters() if "lora_A" in name}
    assert names == {"q_proj", "k_proj", "v_proj"}


def test_tensors_load_without_pickle(done):
    import torch

    embeddings = torch.load(done.folder / f"results/embeddings/hep-th/{BASE}.pt", weights_only=True)
    similarity = torch.load(done.folder / f"results/similarity/hep-th/{BASE}.pt", weights_only=True)
    assert embeddings["embeddings"].shape == (8, 64)
    assert similarity["matrix"].shape == (8, 8) and similarity["matrix"].dtype == torch.float32
    assert list(embeddings["ids"]) == list(similarity["ids"])


def test_a_run_says_where_it_comes_from(done):
    record = json.loads((done.folder / f"results/adapters/{TRAINED}/run.json").read_text())
    text = json.dumps(record)
    for word in ("transformers", "learning_rate", "nf4", "bos", "device"):
        assert word in text


def test_every_job_has_a_log_with_its_command_and_versions(done):
    logs = sorted((done.folder / "results/logs").rglob("*.log"))
    assert len(logs) > 20
    for log in logs:
        assert "scripts/" in log.read_text() and '"libraries"' in log.read_text(), log


def test_a_second_run_finds_nothing_to_do(workspace):
    assert "Nothing to be done" in workspace.snakemake(*QUICK).stdout


def test_results_of_a_clock_that_was_set_back_are_no_reason_to_delete_a_result(workspace):
    weights = workspace.folder / f"results/adapters/{TRAINED}/adapter_model.safetensors"
    os.utime(weights, (1, time.time() + 7200))
    path = workspace.folder / f"results/perplexity/hep-th/{TRAINED}.parquet"
    path.unlink()
    finished = workspace.snakemake(*QUICK, "--", str(path.relative_to(workspace.folder)))
    assert finished.returncode == 0 and "1 results were dated in the future" in finished.stdout, finished.stdout
    assert path.exists()


def test_a_deleted_table_is_restored_or_made_again_and_is_the_same(workspace):
    path = workspace.folder / f"results/perplexity/hep-th/{BASE}.parquet"
    before = path.read_bytes()
    path.unlink()
    finished = workspace.snakemake(*QUICK, "--", str(path.relative_to(workspace.folder)))
    assert "restored from" in finished.stdout and path.read_bytes() == before
    path.unlink()
    shutil.rmtree(workspace.folder / "results/kept")
    finished = workspace.snakemake(*QUICK)
    assert finished.returncode == 0, finished.stdout
    assert path.read_bytes() == before
    assert "perplexity" in rules_run(workspace) and not {"train", "complete", "metric"} & rules_run(workspace)


def test_a_corrupt_table_is_reported_by_name_and_the_pooled_one_stays_as_it_was(workspace):
    pooled = workspace.folder / "results/semscore/all.parquet"
    before = pooled.read_bytes(), pooled.stat().st_mtime_ns
    (workspace.folder / f"results/semscore/hep-th/{TRAINED}.parquet").write_bytes(b"PAR1 rubbish")
    finished = workspace.snakemake(*QUICK, "--", "results/semscore/all.parquet")
    assert finished.returncode != 0
    assert f"results/semscore/hep-th/{TRAINED}.parquet: not a readable parquet file" in finished.stdout
    assert (pooled.read_bytes(), pooled.stat().st_mtime_ns) == before
    assert "results/semscore/all.parquet" in workspace.stale(*QUICK)


def test_another_base_models_adapter_is_refused_in_one_line(workspace):
    path = workspace.folder / f"results/adapters/{TRAINED}/adapter_config.json"
    path.write_text(path.read_text().replace("results/demo/model", "meta-llama/Llama-2-7b-hf"))
    target = f"results/perplexity/hep-th/{TRAINED}.parquet"
    finished = workspace.snakemake(*QUICK, "--", target)
    assert finished.returncode != 0
    assert "adapter made for base model 'meta-llama/Llama-2-7b-hf', not 'results/demo/model'" in finished.stdout
    assert target in workspace.stale(*QUICK), "what was made before stays, and is stale"


def test_an_unknown_layer_is_refused_with_the_models_own_and_the_finished_adapter_stays(workspace):
    finished = workspace.snakemake(*QUICK, "--config", "layer_sets={qkv: [q_proj, query]}")
    assert finished.returncode != 0
    line = next(line for line in finished.stdout.splitlines() if "error:" in line)
    assert "query" in line and "down_proj" in line and "no job was started" in line
    assert len(list((workspace.folder / f"results/adapters/{TRAINED}").iterdir())) == 4
    assert "Nothing to be done" in workspace.snakemake(*QUICK).stdout


def test_a_killed_training_leaves_nothing_declared_and_ends_with_the_same_weights(workspace):
    weights = workspace.folder / f"results/adapters/{TRAINED}/adapter_model.safetensors"
    before = weights.read_bytes()
    weights.unlink()
    shutil.rmtree(workspace.folder / "results/kept")
    target = (*QUICK, "--", str(weights.relative_to(workspace.folder)))
    _kill_when(workspace, workspace.folder / f"results/checkpoints/{TRAINED}", target)
    assert not weights.exists()
    finished = workspace.snakemake(*target)
    assert finished.returncode == 0, finished.stdout
    assert weights.read_bytes() == before


def _kill_when(workspace, folder, options):
    """Start Snakemake and kill it with all its children as soon as a checkpoint is in ``folder``."""
    with subprocess.Popen(
        workspace.command(*options), cwd=workspace.folder, env=workspace.environment, start_new_session=True
    ) as process:
        while process.poll() is None and not list(folder.glob("checkpoint-*")):
            time.sleep(0.05)
        assert process.poll() is None, "it ended before it could be killed"
        os.killpg(process.pid, signal.SIGKILL)
    workspace.snakemake("--unlock", *QUICK)
