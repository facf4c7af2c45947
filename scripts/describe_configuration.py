"""Write what is generated from the settings: the keys in config/README.md, and the JSON schema for editors.

Descriptions, defaults and limits are those of the code, so that they cannot differ from it; a test compares them.
"""

from __future__ import annotations

import argparse
import json
import re
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.core.cli import launch

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from feyntune.core.schema import Section

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "config/README.md"
SCHEMA = PROJECT / "workflow/schemas/config.schema.json"
MARKER = "<!-- below this line: written by scripts/describe_configuration.py -->\n"
TOP = "Top level"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--page", type=Path, default=PAGE, help="page whose part below the marker line is written")
    parser.add_argument("--schema", type=Path, default=SCHEMA, help="JSON schema to write")


def main(options: argparse.Namespace) -> None:
    """Write both files."""
    from feyntune.config.load import Configuration
    from feyntune.core.files import unreadable, write_json, write_text

    with unreadable(options.page, "not a text in UTF-8", UnicodeDecodeError, remedy="name another page"):
        prose = options.page.read_text(encoding="utf-8").split(MARKER)[0]
    write_text(options.page, prose + MARKER + "\n" + "\n".join([*describe(Configuration), *describe_metrics(), ""]))
    write_json(options.schema, json_schema())


def json_schema() -> dict[str, Any]:
    """The JSON schema of the configuration, by which editors complete and check keys."""
    from feyntune.config.load import Configuration

    schema = Configuration.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "FeynTune configuration"} | {
        key: value for key, value in schema.items() if key != "title"
    }


def describe(section: type[Section], title: str = TOP, default: Section | None = None) -> list[str]:
    """Markdown lines for a Section class, and for those of its keys that are sections themselves, in order.

    Args:
        section: the class.
        title: its heading.
        default: the instance whose values are the defaults, where they are not those of the class.
    """
    summary = (section.__doc__ or "").strip().splitlines()[0]
    lines = [f"## {title}", "", summary, "", "| key | default | meaning |", "|---|---|---|"]
    below: list[str] = []
    for name, field in section.model_fields.items():
        value = getattr(default, name) if default is not None else _default(field)
        inner, inner_title = _own_table(field, value), _title(title, name, field.annotation)
        meaning = " ".join((field.description or "").split())
        shown = "required" if default is None and field.is_required() else _shown(value, inner_title if inner else None)
        lines.append(f"| `{name}` | {shown} | {meaning} |")
        if inner is not None:
            below += ["", *describe(inner, inner_title, value if isinstance(value, inner) else None)]
    return [*lines, *below]


def describe_metrics() -> list[str]:
    """Markdown lines for the kinds of metrics, each with keys of its own."""
    from feyntune.evaluation.metrics import kinds, metric_class

    lines: list[str] = []
    for kind in kinds():
        lines += ["", *describe(metric_class(kind).settings_schema, f"metrics.NAME, {kind}")]
    return lines


def _default(field: FieldInfo) -> Any:
    return None if field.is_required() else field.get_default(call_default_factory=True)


def _own_table(field: FieldInfo, value: Any) -> type[Section] | None:
    """The Section in a field that needs a table of its own.

    A field that holds some keys of a section of the top level (``models.NAME.lora``) refers to the table of that one.
    """
    from feyntune.config.load import Configuration
    from feyntune.evaluation.metrics.base import MetricSettings

    found = _section_of(field.annotation)
    top = [_section_of(each.annotation) for each in Configuration.model_fields.values()]
    partial = value is None and found in top
    return None if found is None or partial or issubclass(found, MetricSettings) else found


def _section_of(annotation: Any) -> type[Section] | None:
    """The Section anywhere in an annotation, such as ``list[Part] | None``, if there is one."""
    from feyntune.core.schema import Section

    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((inner for part in typing.get_args(annotation) if (inner := _section_of(part))), None)


def _title(title: str, name: str, annotation: Any) -> str:
    kinds = {typing.get_origin(part) for part in (annotation, *typing.get_args(annotation))}
    entry = ".NAME" if dict in kinds else "[]" if list in kinds else ""
    return f"{name}{entry}" if title == TOP else f"{title}.{name}{entry}"


def _shown(value: Any, inner_title: str | None) -> str:
    """A default value, and a link to the table of a section's own keys."""
    from feyntune.core.schema import Section

    link = f"[its keys](#{re.sub(r'[^a-z0-9_-]', '', inner_title.lower())})" if inner_title else ""
    if inner_title and (isinstance(value, Section) or value in ({}, [])):
        return link
    text = f"`{json.dumps(value, default=lambda section: section.model_dump(exclude_unset=True))}`"
    return f"{text}, {link}" if link and value is not None else text


if __name__ == "__main__":
    launch(__doc__, arguments, main)
