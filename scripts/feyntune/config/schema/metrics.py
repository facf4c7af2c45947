"""What the programs of metrics are given; the settings of each kind of metric are in ``evaluation/metrics/``."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, GetJsonSchemaHandler, SerializeAsAny
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from feyntune.core.schema import Section
from feyntune.evaluation.metrics import kinds, metric_class, parse_settings
from feyntune.evaluation.metrics.base import MetricSettings


def _of_its_kind(given: Any) -> Any:
    return parse_settings(given) if isinstance(given, Mapping) and "kind" in given else given


class _SchemaOfAnyKind:
    """The JSON schema of an entry: that of any kind."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schemas = [metric_class(kind).settings_schema.__pydantic_core_schema__ for kind in kinds()]
        return {"anyOf": [{"type": "null"}, *map(handler, schemas)]}


AnyMetric = Annotated[SerializeAsAny[MetricSettings], BeforeValidator(_of_its_kind), _SchemaOfAnyKind()]
"""Settings of a metric of any kind, checked by the schema of its kind."""


class PreparationStage(Section):
    """What `prepare_metric.py` is given."""

    metric: AnyMetric
    """The metric."""
    limit: int | None
    """As in the evaluation set."""


class MetricStage(Section):
    """What `metric.py` is given."""

    metric: AnyMetric
    """The metric."""
