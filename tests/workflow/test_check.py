"""`snakemake check`: one table, and an exit code that says whether the configuration can run."""

from support.workspace import Workspace


def test_a_configuration_that_fits_passes_and_is_checked_anew_each_time(tmp_path):
    workspace = Workspace(tmp_path)
    for _ in range(2):
        finished = workspace.snakemake("check")
        assert finished.returncode == 0, finished.stdout
        assert "PASS  login    Python" in finished.stdout and "PASS  compute  nf4 on cpu" in finished.stdout
        assert (tmp_path / "results/check/compute.json").is_file()


def test_what_is_missing_is_a_failed_line_with_its_remedy(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.edit("config/config.yaml", "snapshots:\n", "snapshots:\n  arxiv: nowhere.json\n")
    finished = workspace.snakemake("check", "--config", "generation={engine: vllm}")
    assert finished.returncode == 1
    assert "FAIL  login    snapshot arxiv" in finished.stdout
    assert "-> put the file there, or correct snapshots.arxiv" in finished.stdout
    assert "-> make vllm; or set generation.engine to transformers" in finished.stdout
    assert "failed: vLLM, snapshot arxiv; the table says what to do" in finished.stdout
