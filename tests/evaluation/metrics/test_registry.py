"""The registry: kinds are files, are light, and are checked strictly when a configuration is read."""

import subprocess
import sys

import pytest

from feyntune.config.load import parse_configuration
from feyntune.config.reported import reported_metrics
from feyntune.config.runs import resolve_runs
from feyntune.config.stages import metric_stage
from feyntune.core.errors import FeynTuneError
from feyntune.core.fingerprint import SCRIPTS, code_fingerprint
from feyntune.evaluation.metrics import file_columns, kinds, metric_class, module_file, reported, reported_all
from feyntune.evaluation.metrics.embedding import EmbeddingSettings
from feyntune.evaluation.metrics.rouge import RougeSettings


def metrics(**entries):
    return parse_configuration({"metrics": entries}).metrics


def test_kinds_are_the_files_of_the_package():
    assert kinds() == ("embedding", "novelty", "repetition", "rouge")
    assert all((SCRIPTS / module_file(kind)).is_file() for kind in kinds())


def test_an_entry_with_a_folder_is_an_embedding_and_one_without_is_called_as_its_kind():
    found = metrics(semscore={"path": "x"}, rouge={}, repetition=None, mine={"kind": "rouge", "stemmer": True})
    assert [entry.kind for entry in found.values()] == ["embedding", "rouge", "repetition", "rouge"]
    assert found["mine"].stemmer is True


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"rouge": {"stemer": True}}, "$.metrics.rouge: unknown key 'stemer'; did you mean 'stemmer'?"),
        ({"rouge": {"kind": "rogue"}}, "$.metrics.rouge.kind: there is no kind 'rogue'; did you mean 'rouge'?"),
        ({"bleu": {}}, "$.metrics.bleu: give a 'kind' (embedding, novelty, repetition, rouge), or 'path' or 'hub'"),
        ({"rouge": {"stemmer": "often"}}, "$.metrics.rouge.stemmer: input should be a valid boolean"),
        ({"repetition": {"max": 3}}, "$.metrics.repetition: unknown key 'max'"),
        ({"jina": {"kind": "embedding"}}, "$.metrics.jina: give either 'path' or 'hub'"),
        ({"rouge": 3}, "$.metrics.rouge: input should be a valid dictionary"),
    ],
)
def test_faults_of_an_entry_are_one_line(entry, fault):
    with pytest.raises(FeynTuneError) as error:
        parse_configuration({"metrics": entry})
    assert str(error.value).startswith(f"config: {fault}")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ({"perplexity_low": {"path": "x"}}, "its column 'perplexity_low' is also a column of the tables"),
        ({"new_tokens": {"path": "x"}}, "its column 'new_tokens' is also a column of the tables"),
        ({"a": {"path": "x"}, "a_continuation": {"path": "x"}}, "its column 'a_continuation' is also a column of 'a'"),
        ({"a": {"path": "x"}, "a_low": {"path": "x"}}, "its column 'a_low' is also a column of 'a'"),
    ],
)
def test_a_metric_whose_columns_are_taken_is_refused(entries, fault):
    with pytest.raises(FeynTuneError, match=fault):
        resolve_runs(parse_configuration({"metrics": entries}))


def test_titles_and_keys_are_filled_in():
    configuration = parse_configuration(
        {"metrics": {"semscore": {"path": "x", "title": "SemScore"}, "rouge": {}, "stems": {"kind": "rouge"}}}
    )
    semscore, rouge, stems = reported_metrics(configuration)
    assert [(column.key, column.title) for column in semscore.columns] == [
        ("semscore", "SemScore"),
        ("semscore_continuation", "SemScore of continuation"),
    ]
    assert [(column.key, column.title) for column in rouge.columns][-1] == ("rougeL", "ROUGE-L")
    assert [(column.key, column.title) for column in stems.columns][-1] == ("stemsL", "stems-L")
    assert file_columns(semscore) == ["id", "score", "score_continuation", "truncated"]
    assert file_columns(rouge) == ["id", "rouge1", "rouge2", "rougeL"]


def test_a_title_changes_no_result():
    entry = {"path": "x"}
    stages = [
        metric_stage(parse_configuration({"metrics": {"m": {**entry, **title}}}), "m")
        for title in ({}, {"title": "Another"})
    ]
    assert stages[0] == stages[1]


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_describes_its_columns(kind):
    columns = metric_class(kind).columns
    assert any(column.headline for column in columns)
    assert all(column.description.endswith(".") and column.title for column in columns)
    assert all(column.direction or column.name.endswith("_true") for column in columns)
    assert len({column.name for column in columns}) == len(columns)


def test_reading_a_configuration_imports_no_heavy_library():
    program = (
        "import sys; from feyntune.config.load import parse_configuration\n"
        "parse_configuration({'metrics': {'s': {'path': 'x'}, 'rouge': {}, 'repetition': {}}})\n"
        "heavy = {'torch', 'numpy', 'pyarrow', 'pandas', 'transformers', 'sentence_transformers', 'rouge_score'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=SCRIPTS, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_programs_fingerprint_holds_the_kind_that_is_named_and_no_other():
    of_program = code_fingerprint("metric.py")
    of_kinds = {code_fingerprint("metric.py", module_file(kind)) for kind in kinds()}
    assert len(of_kinds | {of_program}) == len(kinds()) + 1


def test_equal_titles_are_distinguished_by_the_names():
    rouge, other = RougeSettings(kind="rouge"), RougeSettings(kind="rouge", title="ROUGE")
    titles = [[column.title for column in each.columns] for each in reported_all({"rouge": rouge, "stemmed": other})]
    assert titles[0] == ["ROUGE-1 (rouge)", "ROUGE-2 (rouge)", "ROUGE-L (rouge)"]
    assert titles[1] == ["ROUGE-1 (stemmed)", "ROUGE-2 (stemmed)", "ROUGE-L (stemmed)"]
    assert reported_all({"rouge": rouge}) == [reported("rouge", rouge)]


def test_a_title_of_another_quantity_is_followed_by_the_name():
    (shown,) = reported_all({"mine": EmbeddingSettings(path="here", title="Perplexity")})
    assert [column.title for column in shown.columns] == ["Perplexity (mine)", "Perplexity of continuation"]


def test_titles_that_stay_equal_are_refused():
    entries = {
        name: EmbeddingSettings(path="here", title=title) for name, title in {"a": "X", "b": "X", "c": "X (a)"}.items()
    }
    with pytest.raises(FeynTuneError, match=r"config: \$.metrics.c.title: 'X \(a\)' is a title twice"):
        reported_all(entries)
