"""How fast an inference server judges for some lanes at once, beside the local graph; to size a pool with.

.venv/bin/python benchmarks/inference_server.py grpc://10.0.0.9:8001 --lanes 1,4,16 --count 50

Each lane is a thread with a connection of its own that sends one golden picture's tensor after the other. It is proven
first, as the appliance does.
"""

from __future__ import annotations

import argparse
import resource
import sys
import threading
import time
from collections.abc import Callable

import inference
from benchmarks.harness import Spread, machine
from benchmarks.report import machine_lines
from drivers.errors import EdgeError
from inference.remote import codec
from inference.remote.address import Server
from inference.remote.belief import Proof, believe
from inference.remote.wire import connect

PATIENT_S = 30.0


def main() -> int:
    """Measure, and print a table; 1 where the server is not there, or not believed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="http://, https://, grpc:// or grpcs://HOST:PORT")
    parser.add_argument("--package", default="baggage", help="the model package")
    parser.add_argument("--model", help="the model's name on the server; else the package's")
    parser.add_argument("--lanes", default="1,2,4", help="how many at once; separated by commas")
    parser.add_argument("--count", type=int, default=50, help="pictures a lane")
    asked = parser.parse_args()
    print(machine_lines(machine()))
    model = inference.load(asked.package, 1)
    name, server = asked.model or model.name, Server(asked.url)
    proofs = list(model.proofs())
    try:
        wire = connect(server)
        believe(wire, name, model.manifest, model.described, proofs, PATIENT_S)
    except EdgeError as error:
        print(f"{asked.url}: {error}")
        return 1
    wire.close()
    proof = proofs[0]
    sizes = [sum(each.nbytes for each in side.values()) for side in (proof.feeds, proof.outputs)]
    print(f"a picture: {sizes[0]} bytes out, {sizes[1]} back; as JSON {codec.request(proof.feeds, [], False).size} out")
    alone = Spread.of([_timed(lambda: model.local(proof.feeds)) for _ in range(asked.count)])
    print(f"the local graph, one thread: {alone.ms()}")
    for lanes in map(int, asked.lanes.split(",")):
        began, before_s = time.perf_counter(), _cpu_s()
        times = _lanes(server, name, proof, lanes, asked.count)
        took_s, cpu_s = time.perf_counter() - began, _cpu_s() - before_s
        print(
            f"{lanes} lanes: {Spread.of(times).ms()}; {len(times) / took_s:.1f} pictures a second;"
            f" {cpu_s / len(times) * 1e3:.1f} ms of a core here for each"
        )
    return 0


def _lanes(server: Server, name: str, proof: Proof, lanes: int, count: int) -> list[float]:
    times: list[float] = []

    def lane() -> None:
        wire = connect(server)
        wire.server(PATIENT_S)
        wire.infer(name, "", proof.feeds, list(proof.outputs), PATIENT_S)
        ready.wait()
        for _ in range(count):
            times.append(_timed(lambda: wire.infer(name, "", proof.feeds, list(proof.outputs), PATIENT_S)))
        wire.close()

    ready = threading.Barrier(lanes)
    threads = [threading.Thread(target=lane) for _ in range(lanes)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return times


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
