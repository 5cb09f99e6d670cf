"""`python -m tests.fuzz TARGET --minutes 1`: mutates the corpus until the time is up; what breaks a promise is kept.

    python -m tests.fuzz dicom-file --minutes 10 --seed 7

A finding is written to `tests/fuzz/corpus/TARGET/`, where it is a regression test from then on; the exit status is 1.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
from pathlib import Path

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).with_name("corpus")


def corpus(name: str) -> list[bytes]:
    """Return a target's corpus, in a fixed order."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return bytes a little off: changed, cut, doubled, or with lengths that lie."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(out) + 1)
        match chance.randrange(6):
            case 0 if at < len(out):
                out[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(out):
                out[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                del out[at : at + chance.choice((1, 2, 4, 64))]
            case 3:
                out[at:at] = out[at : at + chance.choice((1, 4, 32))]
            case 4:
                out[at:at] = chance.randbytes(chance.choice((1, 2, 8)))
            case _:
                del out[at:]
    return bytes(out)


def broken(name: str, data: bytes) -> Exception | None:
    """Return what a target raised that it may not raise."""
    target, allowed = TARGETS[name]
    try:
        target(data)
    except allowed:
        return None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        return error
    return None


def main() -> int:
    """Fuzz one target; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.split("\n\n")[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(1_000_000)
    chance, seeds, tried, found = random.Random(seed), corpus(asked.target), 0, 0
    print(f"seed {seed}", file=sys.stderr)
    until = time.monotonic() + asked.minutes * 60
    while time.monotonic() < until:
        data = mutated(chance.choice(seeds), chance)
        tried += 1
        if error := broken(asked.target, data):
            found += 1
            path = CORPUS / asked.target / f"found-{hashlib.sha256(data).hexdigest()[:12]}"
            path.write_bytes(data)
            print(f"{path}: {type(error).__name__}: {error}")
    print(f"{asked.target}: {tried} tried, {found} found", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
