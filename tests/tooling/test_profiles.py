"""The profiles of clusters name the GPU model of every rule that requests GPUs."""

import re

import pytest

from support.workspace import PROJECT


def gpu_rules() -> set[str]:
    """The rules whose command runs on the GPUs that their job has."""
    text = "\n".join(path.read_text() for path in sorted((PROJECT / "workflow/rules").glob("*.smk")))
    rules = re.split(r"^(?:rule|checkpoint) (\w+):$", text, flags=re.MULTILINE)[1:]
    return {
        name for name, body in zip(rules[::2], rules[1::2], strict=True) if "on_gpus.py" in body or "{ON_GPUS}" in body
    }


@pytest.mark.parametrize("profile", ["sulis", "slurm"])
def test_a_rule_names_its_gpu_model_exactly_if_it_requests_gpus(profile):
    text = (PROJECT / f"profiles/{profile}/config.yaml").read_text()
    named = set(re.findall(r"^#?\s+(\w+): \{gpu_model: \w+\}$", text, flags=re.MULTILINE))
    assert named == gpu_rules()
    assert "train" in named
