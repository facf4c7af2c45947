"""Names of repositories: templates that cannot be used are refused in one line before anything is sent."""

import pytest

from feyntune.config.load import parse_configuration
from feyntune.config.runs import resolve_runs
from feyntune.core.errors import FeynTuneError
from feyntune.hub import names

RUN = "tiny_hep-th_all"
CONFIGURATION = {
    "snapshots": {"arxiv": "arxiv.json"},
    "datasets": {"hep-th": {"snapshot": "arxiv", "categories": ["hep-th"]}},
    "models": {"tiny": {"hub": "labs/tiny-1B", "revision": "abc"}},
    "layer_sets": {"all": ["q_proj"], "qkv": ["v_proj"]},
    "grid": {"models": ["tiny"], "datasets": ["hep-th"], "layer_sets": ["all", "qkv"]},
    "evaluation_sets": {"unseen": {"dataset": "hep-th", "limit": 30}, "seen": {"dataset": "hep-th", "split": "train"}},
    "hub": {"organisation": "me"},
}


def configured(**changes):
    return parse_configuration({**CONFIGURATION, **changes})


def test_names_come_from_the_templates():
    given = configured(
        hub={"organisation": "us", "adapters": "{organisation}/feyntune-{run}", "tables": "them/{table}"}
    )
    run = resolve_runs(given)[RUN]
    assert names.adapter_repository(given, run) == f"us/feyntune-{RUN}"
    assert names.table_repository(given, "completions", "unseen") == "them/infer"
    assert names.reference_names(given, [run]) == {RUN: f"feyntune-{RUN}"}


def test_published_adapters_keep_the_names_of_their_repositories():
    adapter = {"hub": "LLMsForHepth/s1-L-3.1-8B-base", "revision": "main"}
    given = configured(runs={"first": {"model": "tiny", "adapter": adapter}})
    assert names.reference_names(given, [resolve_runs(given)["first"]]) == {"first": "s1-L-3.1-8B-base"}
    twice = configured(runs={name: {"model": "tiny", "adapter": adapter} for name in ("first", "second")})
    with pytest.raises(
        FeynTuneError, match=r"first and second are both 's1-L-3\.1-8B-base' in reference tables; rename one"
    ):
        names.reference_names(twice, list(resolve_runs(twice).values())[-2:])


def test_without_an_organisation_nothing_can_be_pushed():
    given = configured(hub={})
    with pytest.raises(FeynTuneError, match=r"config: \$\.hub\.organisation: empty; name the user or organisation"):
        names.adapter_repository(given, resolve_runs(given)[RUN])


@pytest.mark.parametrize("template", ["{run}", "me/{model}", "a/b/{run}", "me/{run", "me/{}", "me/{run.name}"])
def test_templates_that_name_no_repository_are_refused(template):
    with pytest.raises(FeynTuneError, match=r"config: \$\.hub\.adapters: "):
        configured(hub={"adapters": template})


@pytest.mark.parametrize(
    "template",
    ["me/{run.__class__}", "me/{run!r}", "me/{run:>9}", "me/{run[0]}", "me/{0}", "me/x y", "me/../{run}", "me/é{run}"],
)
def test_only_the_documented_fields_and_characters_are_allowed(template):
    with pytest.raises(FeynTuneError, match=r"config: \$\.hub\.adapters: ") as caught:
        configured(hub={"adapters": template})
    assert len(str(caught.value)) <= 200


@pytest.mark.parametrize(
    ("hub", "line"),
    [
        (
            {"adapters": "me/adapter"},
            r"adapters: tiny_hep-th_all and tiny_hep-th_qkv have the same .* me/adapter;",
        ),
        (
            {"tables": "me/{set}"},
            r"\$\.hub\.tables: completions of unseen and semscore of unseen have the same",
        ),
        ({"tables": "me/{table}"}, r"\$\.hub\.tables: completions of unseen and completions of seen have the same"),
        ({"table_names": {"completions": "Jina", "semscore": "jina"}}, r"completions of unseen and semscore of unseen"),
    ],
)
def test_two_adapters_or_tables_in_one_repository_are_refused(hub, line):
    given = configured(hub={"organisation": "me", **hub})
    runs = [run for run in resolve_runs(given).values() if run.kind == "trained"]
    with pytest.raises(FeynTuneError, match=line) as caught:
        names.check_repositories(given, runs, ["completions", "semscore"], given.evaluation_sets)
    assert len(str(caught.value)) <= 200


def test_repositories_of_the_default_templates_are_distinct():
    given = configured()
    runs = [run for run in resolve_runs(given).values() if run.kind == "trained"]
    names.check_repositories(given, runs, ["completions", "perplexity", "semscore"], given.evaluation_sets)


@pytest.mark.parametrize("name", ["a--b", "a..b", "a.git", "a-"])
def test_names_that_the_hub_does_not_allow_are_refused(name):
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    given = configured(runs={name: {"model": "tiny", "dataset": "hep-th", "layers": "all"}})
    with pytest.raises(HFValidationError):
        validate_repo_id(f"me/{name}")
    with pytest.raises(FeynTuneError, match="the hub does not allow the name 'me/") as caught:
        names.adapter_repository(given, resolve_runs(given)[name])
    assert len(str(caught.value)) <= 200


def test_names_that_are_too_long_for_the_hub_are_refused():
    given = configured(hub={"adapters": "me/" + "x" * 90 + "{run}"})
    with pytest.raises(FeynTuneError, match=r"the hub does not allow the name 'me/x{36}…' for") as caught:
        names.adapter_repository(given, resolve_runs(given)[RUN])
    assert len(str(caught.value)) <= 200


@pytest.mark.parametrize(
    ("path", "public"),
    [
        ("/home/me/llama", "llama"),
        ("/home/me/llama/", "llama"),
        ("C:\\Users\\me\\llama", "llama"),
        ("~/llama", "llama"),
        ("labs/llama", "labs/llama"),
        ("</s>", "</s>"),
        ("/", "/"),
    ],
)
def test_absolute_paths_keep_their_last_part(path, public):
    assert names.without_folders({"a": [path, 3, None]}) == {"a": [public, 3, None]}
