"""Every example of the contract goes through a real broker on its topic and comes out as its schema says."""

import json

import jsonschema
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.contract import documents
from edge.contract.channels import CHANNELS
from edge.contract.examples import EXAMPLES
from tests.mqtt import ROOT, Listener

pytestmark = pytest.mark.protocol


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311])
async def test_through_a_broker(broker, version):
    made = documents()
    names = {"device": "xray-1", "hit_id": EXAMPLES["hit"]["data"]["hit_id"], "part": "0"}
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=version)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        async with Listener(broker.port) as listener:
            for channel in CHANNELS:
                topic = f"{ROOT}/{channel.address.format(**names)}"
                example = EXAMPLES.get(channel.name, "bytes")
                client.publish(topic, json.dumps(example), qos=channel.qos, retain=channel.retained)
            await listener.wait(lambda: len(listener.messages) == len(CHANNELS))
            for channel, message in zip(CHANNELS, listener.messages, strict=True):
                assert message.topic == f"{ROOT}/{channel.address.format(**names)}"
                assert message.retained == channel.retained
                if channel.name in EXAMPLES:
                    jsonschema.Draft202012Validator(json.loads(made[f"schemas/{channel.name}.json"])).validate(
                        message.json
                    )
    finally:
        client.disconnect()
        client.loop_stop()
