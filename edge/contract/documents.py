"""Writes the contract's documents: AsyncAPI 3.0, a JSON Schema and an example for each message."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from edge import CONTRACT_VERSION
from edge.contract.channels import CHANNELS, Channel
from edge.contract.examples import EXAMPLES
from edge.messages import Message, ReadingNews

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"
MQTT_BINDING = "0.2.0"
PARAMETERS = {
    "root": "first part of every topic, `jaitf` unless configured otherwise",
    "site": "the airport or post office",
    "id": "the appliance, unique in the site",
    "device": "the device's name",
    "hit_id": "the hit's UUIDv7",
    "part": "the part's number, from 0",
}


class _Schema(GenerateJsonSchema):
    """As pydantic writes it, but that a key which is left out where there is nothing to say is not required."""

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        """Return whether a key is in every message."""
        if self.mode == "serialization":
            return "serialization_exclude_if" not in field
        return super().field_is_required(field, total)


def documents() -> dict[str, str]:
    """Return every document by its path in the contract's folder."""
    made = {"asyncapi.json": _json(_asyncapi())}
    for channel in CHANNELS:
        if isinstance(channel.body, type):
            made[f"schemas/{channel.name}.json"] = _json(schema(channel.body))
            made[f"examples/{channel.name}.json"] = _json(EXAMPLES[channel.name])
    return made


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def schema(body: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of a message; what the appliance sends may have additions, so none is forbidden."""
    sent = issubclass(body, Message | ReadingNews)
    found = body.model_json_schema(schema_generator=_Schema, mode="serialization" if sent else "validation")
    plain = _plain(found, sent)
    assert isinstance(plain, dict)
    return {"$schema": DIALECT, "title": body.__name__, **plain}


def _plain(value: Any, sent: bool, named: bool = False) -> Any:
    """Return a schema without pydantic's titles; `named` where its keys are names of fields and not JSON Schema's."""
    if isinstance(value, list):
        return [_plain(element, sent) for element in value]
    if not isinstance(value, dict):
        return value
    dropped = set() if named else {"title"} | ({"additionalProperties"} if sent else set())
    return {
        key: _plain(child, sent, not named and key in ("properties", "$defs"))
        for key, child in value.items()
        if key not in dropped or (key == "additionalProperties" and child is not False)
    }


def _asyncapi() -> dict[str, Any]:
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "JAITF Edge",
            "version": CONTRACT_VERSION,
            "description": "What an appliance at a screening lane and the task force's console say to each other."
            " Additions come within a version; nothing is renamed or dropped.",
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {channel.name: _operation(channel) for channel in CHANNELS},
        "components": {"messages": {channel.name: _message(channel) for channel in CHANNELS}},
    }


def _channel(channel: Channel) -> dict[str, Any]:
    address = f"{{root}}/v1/{{site}}/{{id}}/{channel.address}"
    return {
        "address": address,
        "messages": {channel.name: {"$ref": f"#/components/messages/{channel.name}"}},
        "parameters": {name: {"description": text} for name, text in PARAMETERS.items() if f"{{{name}}}" in address},
    }


def _operation(channel: Channel) -> dict[str, Any]:
    binding: dict[str, Any] = {"qos": channel.qos, "retain": channel.retained, "bindingVersion": MQTT_BINDING}
    if channel.expiry_s:
        binding["messageExpiryInterval"] = channel.expiry_s
    operation: dict[str, Any] = {
        "action": "send" if channel.sent else "receive",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "summary": channel.summary,
        "bindings": {"mqtt": binding},
    }
    if channel.name.startswith("cmd.") or channel.name == "disposition":
        operation["reply"] = {"channel": {"$ref": "#/channels/reply"}}
    return operation


def _message(channel: Channel) -> dict[str, Any]:
    if isinstance(channel.body, str):
        return {
            "name": channel.name,
            "contentType": channel.body,
            "payload": {"type": "string", "format": "binary"},
        }
    return {
        "name": channel.name,
        "contentType": "application/json",
        "payload": {"schemaFormat": SCHEMA_FORMAT, "schema": {"$ref": f"schemas/{channel.name}.json"}},
        "examples": [{"payload": EXAMPLES[channel.name]}],
    }
