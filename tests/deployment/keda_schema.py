"""The part of KEDA's ScaledObject that the manifests use, as a schema that takes nothing else.

The fields are those of https://keda.sh/docs/2.22/reference/scaledobject-spec/ and
https://keda.sh/docs/2.22/scalers/prometheus/.
"""

from typing import Any

TEXT = {"type": "string", "minLength": 1}
# The metadata of a trigger are texts, and numbers and flags among them are written as texts.
NUMBER = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}
FLAG = {"enum": ["true", "false"]}


def _object(*, optional: dict[str, Any] | None = None, **required: Any) -> dict[str, Any]:
    properties = {**required, **(optional or {})}
    return {"type": "object", "required": [*required], "properties": properties, "additionalProperties": False}


COUNT = {"type": "integer", "minimum": 0}
OF_PROMETHEUS = _object(
    serverAddress={"type": "string", "pattern": "^https?://"},
    query=TEXT,
    threshold=NUMBER,
    optional={"activationThreshold": NUMBER, "ignoreNullValues": FLAG},
)
TRIGGER = _object(
    type={"const": "prometheus"}, metadata=OF_PROMETHEUS, optional={"authenticationRef": _object(name=TEXT)}
)
SPEC = _object(
    scaleTargetRef=_object(name=TEXT),
    triggers={"type": "array", "minItems": 1, "items": TRIGGER},
    optional={
        "pollingInterval": COUNT,
        "cooldownPeriod": COUNT,
        "minReplicaCount": COUNT,
        "maxReplicaCount": {"type": "integer", "minimum": 1},
    },
)
SCALED_OBJECT = _object(
    apiVersion={"const": "keda.sh/v1alpha1"},
    kind={"const": "ScaledObject"},
    metadata=_object(name=TEXT, optional={"labels": {"type": "object", "additionalProperties": TEXT}}),
    spec=SPEC,
)
