"""From a folder of ordinary bags to a package for this scanner, if one comes of it that is better."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drivers.errors import ModelError
from inference import calibrate
from inference import package as packages
from inference.adaptation import lessons as teaching
from inference.adaptation.bags import Bag, Reader, Split, collect, list_digest, shots, split
from inference.adaptation.eye import Eye, Head
from inference.adaptation.head import fit
from inference.adaptation.trial import Pairs, add_scene
from inference.adaptation.write import Outcome, write
from inference.insertion import Operator, Shot, insert
from inference.model import Model
from inference.scanner import GUESSES, Scanner, learn

HOLDS = (1.0, 0.3, 0.1, 0.03)
"""How strictly the head may be held to the shipped one; bags that fitted nothing choose between these and no change."""
SCENES = (70, 40, 70)
"""Simulated bags that fit, choose and judge."""
_SHOWN = 12
_LEAST_PFA, _MOST_PFA, _ELEVATED = 0.02, 0.2, 2.5
_WORSE_AUROC, _WORSE_POINTING = 0.03, 0.06
_THREATS, _TRIES = 2, 6
"""Threats in each bag that chooses or judges, and how often they are tried to be put in where they can be seen."""

Tell = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """What came of it: `out` is the new package, None where it is no better; `problems` are files without a bag."""

    out: Path | None
    why_not: tuple[str, ...]
    outcome: Outcome
    problems: tuple[str, ...]
    seconds: float


def adapt(
    name: str | Path, files: Sequence[Path], out: Path, seed: int, read: Reader, threads: int, tell: Tell
) -> Adapted:
    """Fit the package `name` to the scanner whose ordinary bags `files` are, and write it to `out` if it is better.

    The same for the same files, package, seed and number of threads. Raises ModelError for a package of another form,
    too few bags, or an `out` that is there already.
    """
    started = time.monotonic()
    if out.exists():
        raise ModelError(f"{out} is there already")
    package = packages.read(packages.find(name))
    shipped, eye = Model(package, threads), Eye(package, threads)
    bags, problems = collect(files, read, _counted(tell, "reading the bags", len(files)))
    work = _Work(eye, split(bags, seed), seed, read, tell)
    heads = work.fitted()
    chosen = work.chosen(heads)
    outcome, head = work.judged(chosen)
    why_not = _why_not(outcome, head is eye.shipped)
    if not why_not:
        write(out, shipped, head.into(package.model), outcome, threads)
    return Adapted(None if why_not else out, tuple(why_not), outcome, tuple(problems), time.monotonic() - started)


class _Work:
    """One adaptation, part by part."""

    def __init__(self, eye: Eye, bags: Split, seed: int, read: Reader, tell: Tell) -> None:
        self.eye, self.bags, self.seed, self.tell = eye, bags, seed, tell
        self._read = read
        self.like = [shot for bag in bags.fit[:_SHOWN] for shot in self.shots(bag)]
        colours = [shot.colour for shot in self.like if shot.colour is not None]
        self.scanner: Scanner = learn(colours, seed, _counted(tell, "learning how the scanner shows things", GUESSES))

    def shots(self, bag: Bag) -> list[Shot]:
        return shots(self._read(bag.path))

    def fitted(self) -> list[Head]:
        """Return the shipped head and one for each of HOLDS."""
        lessons = teaching.Lessons()
        done = _counted(self.tell, "looking at bags", len(self.bags.fit))
        for bag in self.bags.fit:
            rng = teaching.chance_of(bag, self.seed, 0)
            for shot in self.shots(bag):
                teaching.add_bag(lessons, self.eye, shot, self.scanner, rng)
            done()
        done = _counted(self.tell, "looking at simulated bags", SCENES[0])
        for scene in self._scenes(0):
            teaching.add_scene(lessons, self.eye, scene)
            done()
        contests = lessons.contests()
        heads = [self.eye.shipped]
        done = _counted(self.tell, "fitting", len(HOLDS))
        for hold in HOLDS:
            heads.append(fit(self.eye.shipped, contests, self.eye.alarming, hold))
            done()
        return heads

    def chosen(self, heads: Sequence[Head]) -> Head:
        """Return the head that ranks the site's bags best, of those that rank scenes about as well as the shipped one.

        Its bias is set so that it alarms from about the shipped package's own threshold on.
        """
        on_bags, on_scenes = Pairs(), Pairs()
        done = _counted(self.tell, "choosing", len(self.bags.choose) + SCENES[1])
        for bag in self.bags.choose:
            self._pair(on_bags, heads, bag, teaching.FITTED_WITH)
            done()
        for scene in self._scenes(1):
            add_scene(on_scenes, self.eye, heads, scene)
            done()
        least = on_scenes.figures(0).auroc - _WORSE_AUROC
        worth = [on_bags.figures(n).auroc if on_scenes.figures(n).auroc >= least else -1.0 for n in range(len(heads))]
        best = int(np.argmax(worth))  # of equals the first, which is held the most
        if best == 0:
            return heads[0]
        own = self.eye.package.manifest.operating_points.normal
        pfa = self._pfa([row[0] for row in on_bags.ordinary])
        threshold = float(np.quantile([row[best] for row in on_bags.ordinary], 1 - pfa))
        return Head(heads[best].weight, heads[best].bias + np.float32(_logit(own) - _logit(threshold)))

    def judged(self, head: Head) -> tuple[Outcome, Head]:
        """Return how the head does beside the shipped one, on bags and scenes that had no part in it yet."""
        heads = [self.eye.shipped, head]
        site, simulated = Pairs(), Pairs()
        done = _counted(self.tell, "judging", len(self.bags.judge) + SCENES[2])
        for bag in self.bags.judge:
            self._pair(site, heads, bag, (teaching.JUDGED_WITH,))
            done()
        for scene in self._scenes(2):
            add_scene(simulated, self.eye, heads, scene)
            done()
        before, after = ([row[n] for row in site.ordinary] for n in (0, 1))
        pfa = self._pfa(before)
        points = calibrate.fit(after, pfa, min(0.5, pfa * _ELEVATED))
        outcome = Outcome(
            site=(site.figures(0), site.figures(1)),
            simulated=(simulated.figures(0), simulated.figures(1)),
            gain=site.gain(1, 0, self.seed),
            pairs=(len(site.ordinary), len(simulated.ordinary)),
            points=points,
            pfa_before=calibrate.at(before, self.eye.package.manifest.operating_points.normal),
            bags=len(self.bags.all),
            fitted=len(self.bags.fit),
            days=(min(bag.day for bag in self.bags.all), max(bag.day for bag in self.bags.all)),
            files_sha256=list_digest(self.bags.all),
            seed=self.seed,
        )
        return outcome, head

    def _pfa(self, shipped_scores: Sequence[float]) -> float:
        """Return the false-alarm rate to aim at: what the shipped package has here, within reason."""
        own = calibrate.at(shipped_scores, self.eye.package.manifest.operating_points.normal).pfa
        return min(max(own, _LEAST_PFA), _MOST_PFA)

    def _pair(self, pairs: Pairs, heads: Sequence[Head], bag: Bag, operators: Sequence[Operator]) -> None:
        rng = teaching.chance_of(bag, self.seed, 1)
        shot = self.shots(bag)[0]
        threats = []
        for _ in range(_TRIES):
            how = operators[int(rng.integers(len(operators)))]
            if made := insert(shot, teaching.any_threat(rng, self.eye), self.scanner, how, rng):
                threats.append(made)
            if len(threats) == _THREATS:
                break
        pairs.add(self.eye, heads, shot, threats)

    def _scenes(self, part: int) -> Iterator[teaching.Scene]:
        return teaching.scenes(self.eye, self.like, self.scanner, self.seed, part, SCENES[part])


def _why_not(outcome: Outcome, unchanged: bool) -> list[str]:
    """Return why the new head is not offered."""
    if unchanged:
        return ["no other last layer ranked bags better than the shipped one"]
    (before, after), (was, now) = outcome.site, outcome.simulated
    found = []
    if outcome.gain[1] <= 0:
        found.append(
            f"the gain could be chance: AUROC {outcome.gain[0]:+.3f}, 95 % interval from {outcome.gain[1]:+.3f}"
        )
    if after.pfa_at_pd90 > before.pfa_at_pd90:
        found.append(f"more false alarms at PD .90: {after.pfa_at_pd90:.2f}, before {before.pfa_at_pd90:.2f}")
    if now.auroc < was.auroc - _WORSE_AUROC or now.pointing < was.pointing - _WORSE_POINTING:
        found.append(
            "worse where nothing was put in, so it learned the insertion: simulated bags"
            f" AUROC {now.auroc:.3f} (before {was.auroc:.3f}), pointing {now.pointing:.2f} (before {was.pointing:.2f})"
        )
    return found


def _counted(tell: Tell, what: str, total: int) -> Callable[[], None]:
    done = 0

    def one() -> None:
        nonlocal done
        done += 1
        tell(what, done, total)

    tell(what, 0, total)
    return one


def _logit(score: float) -> float:
    score = min(max(score, 1e-4), 1 - 1e-4)
    return math.log(score / (1 - score))
