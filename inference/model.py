"""A loaded model: judges the pictures of a scan."""

from __future__ import annotations

import io
import logging
import random
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers import heap
from drivers.clock import Clock
from drivers.contract import Picture
from drivers.errors import ModelError
from inference import package as packages
from inference.decoders import Decoded, decode
from inference.judgement import Found, Judgement
from inference.look import Look, look_at, views
from inference.manifest import Golden, GoldenPicture, Manifest, OperatingPoints
from inference.package import Package
from inference.prepare import Placement, prepare
from inference.runtime import Runtime

if TYPE_CHECKING:
    from inference.remote.address import Server
    from inference.remote.belief import Described, Proof
    from inference.remote.remote import Remote

log = logging.getLogger("jaitf.inference")


class Model:
    """A model package in memory. Blocking; call it from one thread at a time."""

    def __init__(self, package: Package, threads: int = 0) -> None:
        """Open a package's graph and prove it on its golden pictures. Raises ModelError where it fails."""
        self._runtime = Runtime(package, threads)
        self.package = package.without_model()
        self.remote: Remote | None = None
        self.self_test()

    @property
    def manifest(self) -> Manifest:
        """What the package says of itself."""
        return self.package.manifest

    @property
    def name(self) -> str:
        """The model's name."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """The model's version."""
        return self.manifest.version

    @property
    def sha256(self) -> str:
        """The SHA-256 of `model.onnx`, in hexadecimal."""
        return self.package.sha256

    def judge(
        self, pictures: Sequence[Picture], elevated: bool = False, points: OperatingPoints | None = None
    ) -> Judgement:
        """Judge the pictures of one scan; `elevated` takes the stricter operating point, `points` other ones.

        Raises ModelError where a picture cannot be judged, unless another view of the same scan raises an alarm.
        """
        started = time.perf_counter()
        points = points or self.manifest.operating_points
        threshold = points.elevated if elevated else points.normal
        decoded: list[tuple[Look, Decoded]] = []
        remote, local = self.remote, list[str]()
        unreadable: ModelError | None = None
        for group in views(pictures):
            try:
                look = look_at(group)
                outputs, placement = self._run(look, remote, local)
                decoded.append((look, decode(self.manifest, outputs, placement, threshold)))
            except ModelError as error:
                unreadable = unreadable or error
        if not decoded:
            raise unreadable or ModelError("there is no picture")
        look, best = max(decoded, key=lambda pair: pair[1].score)
        if unreadable and best.score < threshold:
            raise unreadable
        return Judgement(
            alarm=best.score >= threshold,
            score=best.score,
            threshold=threshold,
            peak=best.peak or _darkest(look),
            view=look.view,
            findings=self._findings(decoded),
            ms=(time.perf_counter() - started) * 1000,
            at=None if remote is None else "local" if local else "server",
            fallback=local[0] if local else None,
            look=look,
        )

    def sweep(self, pictures: Sequence[Picture], thresholds: Sequence[float]) -> list[tuple[Found, ...]]:
        """Return the findings that each threshold would give, from one run of the graph a view.

        A view that cannot be judged has none.
        """
        ran = []
        for group in views(pictures):
            try:
                look = look_at(group)
                ran.append((look, *self._run(look, None, [])))
            except ModelError:
                continue  # `judge` says so
        return [
            self._findings([(look, decode(self.manifest, outputs, placed, t)) for look, outputs, placed in ran])
            for t in thresholds
        ]

    def warm_up(self) -> None:
        """Judge the golden pictures once, so that the first bag waits for no allocation."""
        self.self_test()

    def self_test(self) -> None:
        """Prove the model on its golden pictures. Raises ModelError where an outcome is not the stated one."""
        for number, (golden, pictures) in enumerate(zip(self.manifest.golden, self.golden_scans(), strict=True)):
            try:
                self._prove(golden, pictures)
            except ModelError as error:
                raise ModelError(f"{self.package.path}: golden picture {number}: {error}") from error

    def rest(self) -> None:
        """Give back the memory that judging takes, until the next scan, which waits some 10 ms for it.

        Raises ModelError where the graph fails.
        """
        # It is given back at the end of a run: here of one whose outcome is of no interest.
        self._runtime.run(self._feeds(self.golden_scans()[0]), then_rest=True)
        heap.give_back()

    def golden_scans(self) -> list[list[Picture]]:
        """Return the pictures of each golden scan."""
        return [[_picture(self.package.files[p.file], p) for p in golden.pictures] for golden in self.manifest.golden]

    def served_by(self, server: Server | None, clock: Clock, chance: random.Random) -> None:
        """Have a server run the graph from when it has proven itself, and for as long as it does; None: no server.

        A scan that is being judged ends with what it began with.
        """
        before, self.remote = self.remote, None
        if before is not None:
            before.stop()
        if server is not None:
            from inference.remote.remote import Remote

            self.remote = Remote(server, self, clock, chance)
            self.remote.start()

    @property
    def described(self) -> dict[str, Described]:
        """The outputs of the local graph that the decoder reads."""
        from inference.remote.belief import Described

        return {name: Described(dtype, shape) for name, (dtype, shape) in self._runtime.shapes().items()}

    def local(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return what the local graph makes of tensors. Raises ModelError."""
        return self._runtime.run(feeds)

    def proofs(self) -> Iterator[Proof]:
        """Yield the golden pictures' tensors with what the local graph makes of them."""
        from inference.remote.belief import Proof

        for pictures in self.golden_scans():
            feeds = self._feeds(pictures)
            yield Proof(feeds, self._runtime.run(feeds))

    def _feeds(self, pictures: list[Picture]) -> dict[str, NDArray[Any]]:
        """Return the tensors of a golden scan, which is one look."""
        return prepare(look_at(views(pictures)[0]), self.manifest.inputs)[0]

    def _run(self, look: Look, remote: Remote | None, local: list[str]) -> tuple[dict[str, NDArray[Any]], Placement]:
        """Return the outputs, and where the picture lies; `local` takes why the server did not give them."""
        feeds, placement = prepare(look, self.manifest.inputs)
        if remote is not None:
            found = remote.run(feeds)
            if not isinstance(found, str):
                return found, placement
            local.append(found)
        return self._runtime.run(feeds), placement

    def _findings(self, decoded: Sequence[tuple[Look, Decoded]]) -> tuple[Found, ...]:
        """Return the candidates of all views as findings, the strongest first."""
        labels = self.manifest.labels
        found = [
            Found(labels[c.label].name, labels[c.label].category, c.score, c.box, look.view)
            for look, each in decoded
            for c in each.candidates
        ]
        return tuple(sorted(found, key=lambda f: -f.score))

    def _prove(self, golden: Golden, pictures: list[Picture]) -> None:
        outputs = self._runtime.run(self._feeds(pictures))
        expected = _arrays(self.package.files[golden.outputs], golden.outputs)
        if expected.keys() != outputs.keys():
            raise ModelError(f"{golden.outputs} holds {sorted(expected)}, the decoder reads {sorted(outputs)}")
        for name, values in outputs.items():
            if values.shape != expected[name].shape:
                raise ModelError(f"{name} has the shape {list(values.shape)}, not {list(expected[name].shape)}")
            if not np.allclose(values, expected[name], rtol=golden.rtol, atol=golden.atol):
                worst = float(np.abs(values.astype(np.float64) - expected[name]).max())
                raise ModelError(f"{name} differs from what the package promises, by up to {worst:.3g}")
        score = self.judge(pictures).score
        if abs(score - golden.score) > golden.score_tolerance:
            raise ModelError(f"scores {score:.3f}, the package promises {golden.score:.3f}")


def load(name_or_path: str | Path, threads: int = 0, keys_file: Path | None = None) -> Model:
    """Open a package; see `inference.load`."""
    started = time.perf_counter()
    package = packages.read(packages.find(name_or_path))
    if keys_file is not None:
        from inference.trust import Trust

        Trust.of(keys_file).check(package)
    model = Model(package, threads)
    model.rest()
    log.info("model %s %s loaded in %.0f ms", model.name, model.version, (time.perf_counter() - started) * 1000)
    return model


def _darkest(look: Look) -> tuple[float, float]:
    plane = np.asarray(cv2.blur(look.transmission, (9, 9)))
    y, x = np.unravel_index(int(plane.argmin()), plane.shape)
    return (int(x) + 0.5) * look.columns / plane.shape[1], (int(y) + 0.5) * look.rows / plane.shape[0]


def _picture(data: bytes, golden: GoldenPicture) -> Picture:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or (image.ndim == 3 and image.shape[2] != 3) or image.dtype not in (np.uint8, np.uint16):
        raise ModelError(f"{golden.file} is no grey or RGB picture of 8 or 16 bits")
    values = np.ascontiguousarray(image[..., ::-1] if image.ndim == 3 else image)
    return Picture(
        view=golden.view,
        energy=golden.energy,
        rows=values.shape[0],
        columns=values.shape[1],
        channels=1 if values.ndim == 2 else 3,
        bits=values.itemsize * 8,
        data=values.tobytes(),
        polarity=golden.polarity,
    )


def _arrays(data: bytes, name: str) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise ModelError(f"{name}: {error}") from error
