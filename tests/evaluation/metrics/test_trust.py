"""Nothing that comes from elsewhere runs here: no pickles, no remote code but what the configuration names."""

import ast
import fnmatch
import pickle
import shutil
from pathlib import Path

import pytest

from feyntune.config.load import parse_configuration
from feyntune.core.errors import FeynTuneError
from feyntune.hub.fetch import FILES
from support.workspace import PROJECT

SOURCES = sorted((PROJECT / "scripts").rglob("*.py"))


def calls(tree):
    """Calls in a module, as pairs of what is called and its keywords' sources."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}


def test_no_program_of_ours_loads_a_pickle():
    loads = 0
    for source in SOURCES:
        for name, keywords in calls(ast.parse(source.read_text())):
            assert not name.startswith("pickle.load"), source
            assert name != "numpy.load" or keywords.get("allow_pickle") != "True", source
            if name.split(".")[-2:] == ["torch", "load"]:
                loads += 1
                assert keywords.get("weights_only") == "True", source
    assert loads > 0


def test_remote_code_is_trusted_by_configuration_only():
    given = [
        keywords["trust_remote_code"]
        for source in SOURCES
        for _, keywords in calls(ast.parse(source.read_text()))
        if "trust_remote_code" in keywords
    ]
    assert [value for value in given if value != "False"] == ["trust"]


@pytest.mark.parametrize("source", [{"path": "here"}, {"hub": "a/b"}, {"revision": "c"}])
def test_it_needs_a_repository_and_a_revision(source):
    with pytest.raises(FeynTuneError, match=r"config: \$\.metrics\.jina"):
        parse_configuration({"metrics": {"jina": {"trust_remote_code": True, **source}}})
    assert parse_configuration({"metrics": {"jina": {"path": "here"}}}).metrics["jina"].trust_remote_code is False


@pytest.mark.parametrize("name", ["pytorch_model.bin", "adapter_model.bin", "optimizer.pt", "x.pkl"])
def test_no_pickle_is_fetched(name):
    assert not any(fnmatch.fnmatch(name, pattern) for kind in FILES.values() for pattern in kind["allow_patterns"])


class Trap:
    """What runs when somebody unpickles it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_an_adapter_that_is_a_pickle_runs_nothing(tmp_path, tiny_model, tiny_adapter):
    from transformers import AutoModelForCausalLM

    from feyntune.models.load import load_adapter

    shutil.copy(tiny_adapter / "adapter_config.json", tmp_path)
    (tmp_path / "adapter_model.bin").write_bytes(pickle.dumps(Trap(tmp_path / "ran")))
    with pytest.raises(FeynTuneError, match=r"no adapter_model.safetensors there"):
        load_adapter(AutoModelForCausalLM.from_pretrained(tiny_model), tmp_path, ["tiny"])
    assert not (tmp_path / "ran").exists()
    pickle.loads((tmp_path / "adapter_model.bin").read_bytes())
    assert (tmp_path / "ran").exists()  # the trap works
