"""The floor under a scan: the model's own preprocessing and bare ONNX Runtime, nothing else.

Here the benchmarks import the project: the floor is to feed the graph just as the appliance does, so it takes the
preprocessing of `inference`, and no more of it. The session is ONNX Runtime's own default.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import cv2
import onnxruntime

from benchmarks.scanner import Bag
from drivers.dicos import read_pictures
from inference import package as packages
from inference.look import look_at, views
from inference.prepare import prepare

WARM_UP = 5


class Floor:
    """Feeds and runs the graph on pictures that are in memory, one after the other.

    `whole_s` are the seconds of each run, preprocessing and graph together; `run_s` those of the graph alone; `cpu_s`
    the processor's.
    """

    def __init__(self, bags: Sequence[Bag]) -> None:
        package = packages.read(packages.find("baggage"))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        self._inputs = package.manifest.inputs
        self._model = package.model
        self._session = onnxruntime.InferenceSession(package.model, options, providers=["CPUExecutionProvider"])
        self._pictures = [read_pictures(bag.data) for bag in bags]
        self.whole_s: list[float] = []
        self.run_s: list[float] = []
        self.cpu_s = 0.0
        for number in range(WARM_UP):
            self._once(number)

    def measure(self, count: int) -> None:
        """Take so many more."""
        before_s = time.process_time()
        for number in range(count):
            whole_s, run_s = self._once(number)
            self.whole_s.append(whole_s)
            self.run_s.append(run_s)
        self.cpu_s += time.process_time() - before_s

    def least_cpu_s(self, count: int) -> tuple[float, float]:
        """Return the processor seconds of preprocessing and of the graph at their least, a run.

        Each has one thread, which waits for no other, and all of a core's cache. OpenCV keeps to one from here on.
        """
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(self._model, options, providers=["CPUExecutionProvider"])
        cv2.setNumThreads(1)
        fed = [self._fed(number) for number in range(len(self._pictures))]
        for feeds in fed[:WARM_UP]:
            session.run(None, feeds)
        moments = [time.process_time()]
        works: tuple[Callable[[int], object], ...] = (
            self._fed,
            lambda number: session.run(None, fed[number % len(fed)]),
        )
        for work in works:
            for number in range(count):
                work(number)
            moments.append(time.process_time())
        feed, graph = ((after - before) / count for before, after in pairwise(moments))
        return feed, graph

    def _fed(self, number: int) -> dict[str, Any]:
        (group,) = views(self._pictures[number % len(self._pictures)])
        return prepare(look_at(group), self._inputs)[0]

    def _once(self, number: int) -> tuple[float, float]:
        began = time.perf_counter()
        feeds = self._fed(number)
        fed = time.perf_counter()
        self._session.run(None, feeds)
        ended = time.perf_counter()
        return ended - began, ended - fed
