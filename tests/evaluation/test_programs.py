"""complete.py and perplexity.py from end to end on a tiny model: adapters, kills, and the record of a result."""

import copy
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer

from feyntune.config.schema.generation import CompletionStage
from feyntune.config.schema.perplexity import PerplexityStage
from feyntune.core import provenance
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table, table_provenance
from feyntune.core.locks import locked
from feyntune.evaluation.model import cast_adapters, load_evaluated
from feyntune.models.likelihood import forward_pass, token_losses
from feyntune.models.load import load_adapter, load_base
from support.programs import load_program

perplexity = load_program("perplexity")
complete = load_program("complete")

SCRIPTS = Path(complete.__file__).parent


def stage(**changes):
    """Settings that both programs share, as JSON."""
    settings = {
        "run": "tiny_base",
        "limit": None,
        "quantization": {"method": "none"},
        "precision": {"dtype": "float32"},
        "base_names": ["tiny"],
    }
    return json.dumps({**settings, **changes})


def completion_stage(**changes):
    generation = {"max_new_tokens": 40, "batch_size": 4, "shard_rows": 4}
    return stage(**{"seed": 1, "generation": generation, **changes})


def run_complete(parse, folder, base, dataset, settings, **more):
    folder.mkdir(exist_ok=True)
    options = {"base": base, "dataset": dataset, "settings": settings, "shards": folder / "shards", **more}
    complete.main(parse(complete, **options, output=folder / "c.parquet"))
    return read_table(folder / "c.parquet")


def run_perplexity(parse, folder, base, dataset, settings, **more):
    folder.mkdir(exist_ok=True)
    options = {"base": base, "dataset": dataset, "settings": settings, "shards": folder / "shards", **more}
    perplexity.main(parse(perplexity, **options, perplexity=folder / "p.parquet", embeddings=folder / "e.pt"))
    return read_table(folder / "p.parquet")


def test_base_model_alone_completes_and_records_its_provenance(tmp_path, parse, tiny_model, dataset, abstracts):
    table = run_complete(parse, tmp_path, tiny_model, dataset, completion_stage())
    assert table.column_names == [
        "id", "prompt", "y_true", "prediction", "completion", "prompt_tokens", "new_tokens", "stopped",
    ]  # fmt: skip
    assert table["id"].to_pylist() == abstracts[0]
    assert set(table["stopped"].to_pylist()) <= {"eos", "length"}
    record = table_provenance(tmp_path / "c.parquet")
    assert record["settings"]["generation"]["max_new_tokens"] == 40
    assert record["token_conventions"]["completion"] == "BOS prompt"
    assert record["libraries"]["torch"] == torch.__version__
    assert record["capped"] == 0
    assert record["engine"] == "transformers"
    assert not (tmp_path / "shards").exists()


def test_limit_is_the_first_rows(tmp_path, parse, tiny_model, dataset, abstracts):
    whole = run_complete(parse, tmp_path / "whole", tiny_model, dataset, completion_stage())
    part = run_complete(parse, tmp_path / "part", tiny_model, dataset, completion_stage(limit=5))
    assert part.equals(whole.slice(0, 5))


def test_an_adapter_changes_completions_and_scores(tmp_path, parse, tiny_model, tiny_adapter, dataset):
    settings = completion_stage(run="tiny_s1")
    base = run_complete(parse, tmp_path / "base", tiny_model, dataset, settings)
    adapted = run_complete(parse, tmp_path / "adapted", tiny_model, dataset, settings, adapter=tiny_adapter)
    assert base["prediction"] != adapted["prediction"]
    base = run_perplexity(parse, tmp_path / "base", tiny_model, dataset, stage(perplexity={}))
    adapted = run_perplexity(
        parse, tmp_path / "adapted", tiny_model, dataset, stage(perplexity={}), adapter=tiny_adapter
    )
    assert base["tokens"] == adapted["tokens"]
    assert base["nll"] != adapted["nll"]


def test_an_adapter_is_merged_only_into_weights_that_are_not_quantised(tiny_model, tiny_adapter):
    settings = {"method": "none"}, {"method": "nf4"}
    plain, quantised = (
        CompletionStage.model_validate_json(completion_stage(quantization=quantization)) for quantization in settings
    )

    def lora_layers(stage, decoding):
        causal = load_evaluated(tiny_model, tiny_adapter, stage, decoding=decoding).causal
        return sum("lora_A" in name for name, _ in causal.named_parameters())

    assert lora_layers(plain, True) == 0
    assert lora_layers(plain, False) == 6
    assert lora_layers(quantised, True) == 6


def test_merging_changes_logits_by_rounding_only(tiny_model, tiny_adapter):
    settings = CompletionStage.model_validate_json(completion_stage())
    tokens = torch.arange(2, 60)[None]
    with torch.no_grad():
        merged, apart = (
            load_evaluated(tiny_model, tiny_adapter, settings, decoding=decoding).causal(tokens).logits
            for decoding in (True, False)
        )
    assert torch.allclose(merged, apart, atol=1e-4)


def token_losses_of(causal):
    tokens = torch.arange(2, 200)[None]
    with torch.no_grad():
        return torch.stack(token_losses(causal.get_output_embeddings(), forward_pass(causal, tokens)))


@pytest.mark.parametrize("method", ["none", "nf4"])
def test_no_adapter_is_cast_at_each_layer_and_token(tiny_model, tiny_adapter, monkeypatch, method):
    exact, settings = (
        PerplexityStage.model_validate_json(
            stage(perplexity={}, quantization={"method": method}, precision={"dtype": dtype})
        )
        for dtype in ("float32", "bfloat16")
    )
    base = load_base(tiny_model, settings.quantization, settings.precision).eval()
    models = [
        load_evaluated(tiny_model, tiny_adapter, exact).causal,
        load_evaluated(tiny_model, tiny_adapter, settings).causal,
        load_adapter(base, tiny_adapter, ["tiny"]).get_base_model(),  # as peft loads it
    ]
    casts = []
    monkeypatch.setattr(
        BaseTunerLayer, "_cast_input_dtype", lambda layer, x, dtype: casts.append((x.dtype, dtype)) or x.to(dtype)
    )
    exact, cast_once, cast_always = map(token_losses_of, models)
    assert casts[6:12] == [(torch.bfloat16, torch.bfloat16)] * 6
    assert casts[12:] == [(torch.bfloat16, torch.float32)] * 6
    rounding = [(losses - exact).abs().mean() for losses in (cast_once, cast_always)]
    assert 0 < rounding[0] < 1.3 * rounding[1]
    assert abs(cast_once.mean() - cast_always.mean()) < 0.005


def test_adapters_with_norms_of_their_weights_stay_in_float32(tiny_model):
    settings = PerplexityStage.model_validate_json(stage(perplexity={}, precision={"dtype": "bfloat16"}))
    base = load_base(tiny_model, settings.quantization, settings.precision)
    for dora, dtype in ((True, torch.float32), (False, torch.bfloat16)):
        config = LoraConfig(r=4, target_modules=["q_proj"], use_dora=dora)
        model = cast_adapters(get_peft_model(copy.deepcopy(base), config), settings.precision)
        assert {weight.dtype for name, weight in model.named_parameters() if "lora_" in name} == {dtype}


def test_an_adapter_of_another_model_is_refused(tmp_path, parse, tiny_model, tiny_adapter, dataset):
    settings = stage(perplexity={}, base_names=["llama", "meta/llama"])
    with pytest.raises(FeynTuneError, match="adapter made for base model 'tiny', not 'llama'; name its own base model"):
        run_perplexity(parse, tmp_path, tiny_model, dataset, settings, adapter=tiny_adapter)
    assert not (tmp_path / "p.parquet").exists()


def test_two_processes_do_not_share_shards(tmp_path, parse, tiny_model, dataset):
    with locked(tmp_path / "shards"), pytest.raises(FeynTuneError, match="another process"):
        run_perplexity(parse, tmp_path, tiny_model, dataset, stage(perplexity={}))


def test_shards_of_other_settings_are_dropped(tmp_path, parse, tiny_model, dataset):
    fresh = run_complete(parse, tmp_path / "fresh", tiny_model, dataset, completion_stage())
    left = tmp_path / "left" / "shards"
    left.mkdir(parents=True)
    (left / "fingerprint.json").write_text('{"settings": "others"}')
    (left / "000000.parquet").write_bytes(b"junk")
    assert run_complete(parse, tmp_path / "left", tiny_model, dataset, completion_stage()).equals(fresh)


def test_quantised_on_the_cpu(tmp_path, parse, tiny_model, tiny_adapter, dataset):
    quantised = {"quantization": {"method": "nf4"}, "limit": 3}
    table = run_complete(parse, tmp_path, tiny_model, dataset, completion_stage(**quantised), adapter=tiny_adapter)
    assert len(table) == 3
    exact = run_perplexity(parse, tmp_path / "exact", tiny_model, dataset, stage(perplexity={}, limit=3))
    rounded = run_perplexity(parse, tmp_path / "rounded", tiny_model, dataset, stage(perplexity={}, **quantised))
    assert exact["nll"] != rounded["nll"]
    assert exact["nll"].to_pylist() == pytest.approx(rounded["nll"].to_pylist(), rel=0.3)


@pytest.mark.parametrize(
    ("ids", "texts", "fault"),
    [
        ([], [], "no rows"),
        (["a", "a"], ["We", "study"], "duplicate ids: a"),
        (["a", "b"], ["We", None], "no 'abstract' for b"),
    ],
)
def test_invalid_evaluation_sets(tmp_path, parse, tiny_model, ids, texts, fault):
    columns = {"id": pyarrow.array(ids, pyarrow.string()), "abstract": pyarrow.array(texts, pyarrow.string())}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "bad.parquet")
    with pytest.raises(FeynTuneError, match=fault):
        run_perplexity(parse, tmp_path, tiny_model, tmp_path / "bad.parquet", stage(perplexity={}))


def test_a_column_that_is_not_there(tmp_path, parse, tiny_model, dataset):
    with pytest.raises(FeynTuneError, match="no column 'title'; it has id, abstract"):
        run_perplexity(parse, tmp_path, tiny_model, dataset, stage(perplexity={"column": "title"}))


def test_kill_9_and_again_gives_the_same_bytes(tmp_path, parse, tiny_model, abstracts, monkeypatch):
    monkeypatch.setattr(provenance, "_revision", lambda: None)  # somebody may commit meanwhile
    ids, texts = abstracts
    many = pyarrow.table({"id": [f"{name}.{copy}" for copy in range(8) for name in ids], "abstract": texts * 8})
    pyarrow.parquet.write_table(many, tmp_path / "many.parquet")
    run_complete(parse, tmp_path / "whole", tiny_model, tmp_path / "many.parquet", completion_stage())
    killed = tmp_path / "killed"
    options = ["--base", tiny_model, "--dataset", tmp_path / "many.parquet", "--settings", completion_stage()]
    files = ["--shards", killed / "shards", "--output", killed / "c.parquet"]
    process = subprocess.Popen(
        [sys.executable, SCRIPTS / "complete.py", *options, *files],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    while not (killed / "shards" / "000002.parquet").exists():
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "c.parquet").exists()
    left = sorted((killed / "shards").glob("*.parquet"))
    assert 3 <= len(left) < 24
    run_complete(parse, killed, tiny_model, tmp_path / "many.parquet", completion_stage())
    assert (killed / "c.parquet").read_bytes() == (tmp_path / "whole" / "c.parquet").read_bytes()


@pytest.mark.parametrize("run", [run_complete, run_perplexity])
def test_results_are_restored_for_the_same_adapter_data_and_settings_only(
    run, tmp_path, parse, tiny_model, tiny_adapter, dataset, monkeypatch, capsys
):
    module = "generation.completions" if run is run_complete else "perplexity"
    given = completion_stage() if run is run_complete else stage(perplexity={})
    more = {"kept": tmp_path / "kept", "adapter": tiny_adapter}
    first = run(parse, tmp_path / "first", tiny_model, dataset, given, **more)
    monkeypatch.setattr(f"feyntune.evaluation.{module}.read_abstracts", None)  # nothing is read or computed
    assert run(parse, tmp_path / "again", tiny_model, dataset, given, **more).equals(first)
    assert "restored from" in capsys.readouterr().out
    for change in ({"adapter": None}, {"base": tiny_adapter}, {"dataset": tiny_model / "config.json"}):
        options = {"base": tiny_model, "dataset": dataset, **more, **change}
        with pytest.raises(TypeError):
            run(parse, tmp_path / "other", settings=given, **{k: v for k, v in options.items() if v})
