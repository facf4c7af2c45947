"""Write the reference of all configuration keys below the marker line of config/README.md.

The descriptions, defaults and limits are those of the code, so the page cannot drift from it; a test compares them.
"""

import json
import re
import typing
from pathlib import Path

from feyntune.core.cli import launch

PAGE = Path("config/README.md")
MARKER = "<!-- below this line: written by scripts/describe_configuration.py -->\n"


def arguments(parser):
    parser.add_argument("--page", type=Path, default=PAGE)


def main(options):
    from feyntune.config.load import Configuration
    from feyntune.core.files import write_text

    prose = options.page.read_text(encoding="utf-8").split(MARKER)[0]
    write_text(options.page, prose + MARKER + "\n" + "\n".join(describe(Configuration)))


def describe(section, title="Top level", without=frozenset()):
    """Markdown lines for a Section class, and for those of its keys that are sections themselves, in order."""
    lines = [
        f"## {title}",
        "",
        *section.__doc__.strip().splitlines()[:1],
        "",
        "| key | default | meaning |",
        "|---|---|---|",
    ]
    below = []
    for name, field in section.model_fields.items():
        if name in without:
            continue
        inner, inner_title = _section_of(field.annotation), _title(title, name, field.annotation)
        meaning = " ".join((field.description or "").split())
        lines.append(f"| `{name}` | {_default(field, inner and inner_title)} | {meaning} |")
        if inner is not None:
            below += ["", *describe(inner, inner_title), *_kinds_of(inner, inner_title)]
    return [*lines, *below] if title != "Top level" else [*lines, *below, ""]


def _kinds_of(section, title):
    """What the kinds of metrics have besides the keys of every metric."""
    from feyntune.evaluation.metrics import kinds, metric_class
    from feyntune.evaluation.metrics.base import MetricSettings

    if section is not MetricSettings:
        return []
    schemas = {kind: metric_class(kind).settings_schema for kind in kinds()}
    return [
        line
        for kind, schema in schemas.items()
        if schema is not section
        for line in ("", *describe(schema, f"{title}, kind {kind}", set(section.model_fields)))
    ]


def _section_of(annotation):
    """The Section anywhere in an annotation, such as ``list[Part] | None``, if there is one."""
    from feyntune.config.schema.base import Section

    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((inner for part in typing.get_args(annotation) if (inner := _section_of(part))), None)


def _title(title, name, annotation):
    kinds = {typing.get_origin(part) for part in (annotation, *typing.get_args(annotation))}
    entry = ".NAME" if dict in kinds else "[]" if list in kinds else ""
    return f"{name}{entry}" if title == "Top level" else f"{title}.{name}{entry}"


def _default(field, inner_title):
    """The default of a key, or a link to the table of a section's own keys."""
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if inner_title is not None and default is not None:
        anchor = re.sub(r"[^a-z0-9_-]", "", inner_title.lower())
        return f"[its keys](#{anchor})"
    return f"`{json.dumps(default)}`"


if __name__ == "__main__":
    launch(__doc__, arguments, main)
