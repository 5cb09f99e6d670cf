"""The contract's documents: valid by the specification's own schema, and true of what the code sends and takes."""

import json
from pathlib import Path

import jsonschema
import pytest
from pydantic import BaseModel

from edge import down
from edge.contract import documents
from edge.contract.channels import CHANNELS
from edge.contract.examples import EXAMPLES, key
from edge.messages import Message
from edge.signing import event_holds

ROOT = Path(__file__).resolve().parents[4]
SPECS = ROOT / ".cache" / "peers_js" / "node_modules" / "@asyncapi" / "specs" / "schemas"
MADE = documents()
ASYNCAPI = json.loads(MADE["asyncapi.json"])
JSON_CHANNELS = [channel for channel in CHANNELS if isinstance(channel.body, type)]


def schema(name):
    return json.loads(MADE[f"schemas/{name}.json"])


def test_asyncapi_is_valid_by_the_specifications_own_schema():
    if not SPECS.exists():
        pytest.skip("the npm package @asyncapi/specs is not installed: scripts/setup test installs it")
    text = json.loads((SPECS / "3.0.0-without-$id.json").read_text())
    validator = jsonschema.Draft7Validator(text)
    assert [error.message for error in validator.iter_errors(ASYNCAPI)] == []
    broken = {**ASYNCAPI, "channels": {"x": {"address": 7}}}
    assert not validator.is_valid(broken)


@pytest.mark.parametrize("channel", JSON_CHANNELS, ids=lambda channel: channel.name)
def test_each_example_keeps_to_its_schema_and_the_class_reads_it(channel):
    jsonschema.Draft202012Validator.check_schema(schema(channel.name))
    validator = jsonschema.Draft202012Validator(schema(channel.name))
    example = EXAMPLES[channel.name]
    validator.validate(example)
    read = channel.body.model_validate_json(json.dumps(example))
    assert isinstance(read, BaseModel)
    for required in schema(channel.name).get("required", []):
        assert not validator.is_valid({key: value for key, value in example.items() if key != required})


@pytest.mark.parametrize("channel", [c for c in JSON_CHANNELS if c.sent], ids=lambda channel: channel.name)
def test_additions_to_what_is_sent_break_no_readers_schema(channel):
    jsonschema.Draft202012Validator(schema(channel.name)).validate({**EXAMPLES[channel.name], "added_later": 1})


def test_the_example_hit_keeps_to_the_binding_schema_and_is_signed():
    binding = json.loads((ROOT / "config" / "hit.v1.schema.json").read_text())
    jsonschema.Draft202012Validator(binding).validate(EXAMPLES["hit"])
    assert event_holds(key().public_pem, json.dumps(EXAMPLES["hit"]).encode())


def test_every_class_of_a_message_is_in_the_contract():
    sent = {channel.body for channel in CHANNELS if isinstance(channel.body, type)}
    bodies = {cls for cls in Message.__subclasses__() if not cls.__name__.endswith(("Body", "Data", "Birth"))}
    assert bodies - sent == set()
    assert {down.Receipt, down.Disposition, down.Targets} <= sent


def test_the_appliance_sends_under_up_and_hears_under_down():
    for name, operation in ASYNCAPI["operations"].items():
        way = ASYNCAPI["channels"][name]["address"].removeprefix("{root}/v1/{site}/{id}/").split("/")[0]
        assert operation["action"] == {"up": "send", "down": "receive"}[way]
