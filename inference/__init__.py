"""Judges pictures: model packages, their runtime, and what comes before and after it.

`load` opens a package, `Model.judge` judges the pictures of one scan, `thumbnail` draws what was found. Importing this
package loads neither ONNX Runtime nor OpenCV; `load` does.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.contract import Picture
from inference.judgement import Found, Judgement

if TYPE_CHECKING:
    from inference.model import Model

__all__ = ["Found", "Judgement", "Model", "load", "picture", "thumbnail"]

# ONNX Runtime's official builds report to their maker, and leave an identifier on the disk, unless they are told not to
# before they are loaded. What a lane sees is nobody else's business.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def load(name_or_path: str | Path, threads: int = 0, keys_file: Path | None = None) -> Model:
    """Open a model package, check all of it, and return its model, ready to judge.

    A name without a slash is a built-in package; anything else is a folder or a zip file. `threads` is what one
    judgement may use; 0: as many as this process has cores. With `keys_file` (public keys, PEM) a package that did not
    come with the appliance must be signed by one of them. Raises ModelError, with the reason, for a package that is not
    there, not intact, not signed so, not what its manifest says, or whose golden pictures come out differently on this
    machine.
    """
    from inference.model import load as open_model

    return open_model(name_or_path, threads, keys_file)


def thumbnail(pictures: Sequence[Picture], judgement: Judgement, max_bytes: int = 65_536) -> bytes:
    """Return a JPEG of the view that decided, its findings drawn in, of at most `max_bytes` bytes.

    Raises ModelError where the pictures are not the ones that were judged or cannot be read.
    """
    from inference.draw import thumbnail as draw

    return draw(pictures, judgement, max_bytes)


def picture(
    pictures: Sequence[Picture], view: int, boxes: Sequence[tuple[float, float, float, float]], max_bytes: int = 65_536
) -> tuple[bytes, tuple[float, float, float, float]]:
    """Return a view, cut to the item and to `boxes`, as a JPEG of at most `max_bytes` bytes with nothing drawn in.

    With it comes where that part lies: x, y, width and height in the picture's own pixels, as boxes are. Raises
    ModelError where there is no such view or it cannot be read.
    """
    from inference.draw import plain

    return plain(pictures, view, boxes, max_bytes)


def __getattr__(name: str) -> object:
    # `Model` is public as a type; its module loads NumPy and is only wanted by those who ask.
    if name == "Model":
        from inference.model import Model

        return Model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
