"""A job that fails costs nothing that was there before: its earlier outputs are put back, and as stale as before."""

CHANGED = ("--config", "report={uncertainty: {resamples: 99}}")
TABLE = "results/tables/summary.csv"


def test_a_failed_job_leaves_its_earlier_outputs_and_their_records(workspace):
    tables = sorted((workspace.folder / "results/tables").iterdir())
    before = {path: path.stat().st_mtime_ns for path in tables}
    stale = workspace.stale(*CHANGED)
    assert workspace.stale() == [] and TABLE in stale

    done = workspace.snakemake(TABLE, *CHANGED)  # its inputs are empty files
    assert done.returncode == 1 and "tables: error: results/" in done.stdout
    assert (
        f"{len(tables)} results of failed jobs are as before this run, and still stale: in results/tables"
        in done.stdout
    )
    assert {path: path.stat().st_mtime_ns for path in (workspace.folder / "results/tables").iterdir()} == before
    assert workspace.stale() == [] and workspace.stale(*CHANGED) == stale
    assert not (workspace.folder / "results/kept/earlier").exists()
