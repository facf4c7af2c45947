# Paths with characters that Snakemake or a shell would take for their own.

import shlex

from snakemake.io import IOFile
from snakemake_interface_executor_plugins import utils as command_lines

from feyntune.config.sources import check_dates

original_format = command_lines.format_cli_value


def quoted(value, quote=False, base64_encode=False):
    """A value on the command line of the process of a job, as a shell reads it. Snakemake writes its `repr`."""
    if isinstance(value, str) and not base64_encode:
        return shlex.quote(value)
    return original_format(value, quote, base64_encode)


# In each process: that of a job on a cluster starts another one.
if original_format.__module__ == command_lines.__name__:
    command_lines.format_cli_value = quoted

# Snakemake replaces `{name}` by a wildcard and `<name>` by a folder in what input functions return, and has no escape
# for either. So they return these control characters, which the schema allows in no path. The flag puts the brackets
# back when Snakemake has replaced what it replaces. A module needs the flag on the main workflow, which makes the jobs.
HIDDEN = {"{": "\x01", "<": "\x02"}
SHOWN = str.maketrans({hidden: shown for shown, hidden in HIDDEN.items()})


def given(path):
    """The path of a file of the user's, for the result of an input function."""
    return path.translate(str.maketrans(HIDDEN))


def as_given(item):
    """The item of `input:` with the path as the configuration has it; patterns and functions stay as they are."""
    if not isinstance(item, str) or not set(HIDDEN.values()) & set(item):
        return item
    file = IOFile(item.translate(SHOWN))  # a rule would replace `<name>` again
    file.rule = item.rule
    file.clone_flags(item)
    return file


workflow.modifier_stack[0].default_input_flags.flags_to_store_keys[as_given] = set()


def check_dates_of(place, files):
    """End with one line if a file is dated in the future. No exception: Snakemake would show the traceback."""
    try:
        check_dates(place, files)
    except FeynTuneError as error:
        sys.exit(str(error))
