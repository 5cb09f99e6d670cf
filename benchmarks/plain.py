"""The ends of a drain, each a process of its own: a console that receipts each hit, a subscriber that does not, and a
sender that is bare paho, or bare paho that is sent the receipts.

    python -m benchmarks.plain console|plain PORT COUNT DEADLINE_S
    python -m benchmarks.plain send|hear PORT FILE
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks.box import DOWN, UP
from benchmarks.ears import Ears, Heard

IN_FLIGHT = 64


def listen(port: int, count: int, deadline_s: float, *, receipts: bool) -> None:
    """Count distinct hits until all are here, and say how long it took from the first to the last."""
    seen: set[bytes] = set()
    moments: list[float] = []
    all_here = threading.Event()

    def hear(ears: Ears, heard: Heard) -> None:
        # Found by its place and not by parsing: this end shares the machine with what is measured.
        start = heard.payload.find(b'"hit_id":"') + 10
        hit_id = heard.payload[start : start + 36]
        if receipts:
            ears.client.publish(f"{DOWN}/receipt", b'{"hit_id":"%s","rev":0}' % hit_id, qos=1)
        if hit_id not in seen:
            seen.add(hit_id)
            moments.append(heard.at_s)
            if len(seen) == count:
                all_here.set()

    with Ears(port, f"{UP}/hit/#", on_message=hear, keep=False):
        print("listening", flush=True)
        all_here.wait(deadline_s)
        took_s = moments[-1] - moments[0] if len(moments) > 1 else 0.0
        print(json.dumps({"messages": len(seen), "took_s": took_s if len(seen) == count else deadline_s}), flush=True)
        threading.Event().wait(deadline_s)  # receipts are on their way; whoever started this ends it


def send(port: int, file: Path, *, receipts: bool) -> None:
    """Publish messages by paho as it is, QoS 1, as many in flight as the appliance has; return when all are taken.

    With `receipts` it is sent the console's, and returns when all have come; it reads none of them.
    """
    payloads = [text.encode() for text in json.loads(file.read_text())]
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.max_inflight_messages_set(IN_FLIGHT)
    client.max_queued_messages_set(0)
    subscribed, left, came = threading.Event(), threading.Semaphore(0), threading.Semaphore(0)
    client.on_publish = lambda *_: left.release()
    client.on_message = lambda *_: came.release()
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    if receipts:
        client.subscribe(f"{DOWN}/receipt", qos=1)
        subscribed.wait()
    began_s = time.process_time()
    for payload in payloads:
        client.publish(f"{UP}/hit/portal-1", payload, qos=1)
    for _ in payloads:
        left.acquire()
        if receipts:
            came.acquire()
    print(time.process_time() - began_s)
    client.disconnect()
    client.loop_stop()


def main() -> None:
    """Be the end that the first argument names."""
    kind, port = sys.argv[1], int(sys.argv[2])
    if kind in ("send", "hear"):
        send(port, Path(sys.argv[3]), receipts=kind == "hear")
    else:
        listen(port, int(sys.argv[3]), float(sys.argv[4]), receipts=kind == "console")
    time.sleep(0.1)


if __name__ == "__main__":
    main()
