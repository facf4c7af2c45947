"""`snakemake --lint` reports nothing but what is explained here."""

import re

from support.workspace import Workspace

EXPLAINED = {
    "Specify a conda environment or container for each rule.": "All programs share one locked environment (make setup):"
    " they pass models and tables to each other.",
    "Mixed rules and functions in same snakefile.": "The functions of a stage stand beside its rules, so that a stage"
    " is read in one file; functions of several stages are in common.smk.",
    "Environment variable PATH used but not asserted with envvars directive": "common.smk puts the running Python in"
    " front of the PATH; every machine has one.",
    "Shell command directly uses variable rule from outside of the rule": "It is Snakemake's name of the rule: a"
    " rule that is made from another one has folders of its own.",
    "No log directive defined": "The rule `check` prints its table to the terminal.",
}


def test_every_finding_is_explained(tmp_path):
    workspace = Workspace(tmp_path)
    done = workspace.snakemake("--lint", apart=True)
    findings = set(re.findall(r"^ +\* (.*?)(?: in line \d+\.)?:?$", done.stdout + done.stderr, re.MULTILINE))
    assert findings, done.stdout + done.stderr
    assert findings <= set(EXPLAINED), findings - set(EXPLAINED)
