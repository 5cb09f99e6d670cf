"""Labels of a drafted manifest: the model's own names, and a DICOS category for each."""

from __future__ import annotations

import re
from collections.abc import Sequence

from drivers.contract import Category
from drivers.errors import ModelError
from inference.drafts.draft import HARMLESS, LabelDraft
from inference.manifest import MAX_LABELS

# Words of detectors for baggage; what is not here is OTHER until a person says otherwise.
_WORDS = {
    Category.PI: "gun pistol revolver rifle firearm handgun shotgun knife blade dagger razor cutter scissors wrench "
    "pliers hammer screwdriver bat baton knuckle handcuffs bullet ammunition weapon axe dart sprayer slingshot",
    Category.EXPLOSIVE: "explosive bomb grenade detonator firework firecracker dynamite ied",
    Category.CONTRABAND: "drug drugs narcotic narcotics cocaine heroin cannabis currency ivory contraband",
    Category.PHARMACEUTICAL: "pill pills tablets medicine pharmaceutical pharmaceuticals",
    Category.LAPTOP: "laptop notebook",
    Category.ANOMALY: "anomaly anomalous defect",
}
_CATEGORY = {word: category for category, words in _WORDS.items() for word in words.split()}


def labels(
    names: Sequence[str] | None, source: str, wished: Sequence[str], room: int | None = None
) -> tuple[LabelDraft, ...]:
    """Return the labels: the model's `names` in its order (None: unknown), with what the person wished for them.

    A wish is NAME or NAME:CATEGORY, CATEGORY a DICOS word or `harmless`. Without names the wishes are the labels, in
    the model's order; `room` is how many there must be, where that is known. Raises ModelError for a wish that cannot
    be met, or where nobody names the labels.
    """
    given = dict(_wish(text) for text in wished)
    if len(given) != len(wished):
        raise ModelError("--labels: a name is given twice")
    if names is None:
        if not given:
            many = "" if room is None else f" (its answer has room for {room})"
            raise ModelError(f"the file does not name its labels{many}: give them in the model's order with --labels")
        names, source = list(given), "--labels"
    if strange := [name for name in given if name not in names]:
        raise ModelError(f"--labels: the model has no {', '.join(strange)}; it has: {', '.join(names)[:500]}")
    if len(names) > MAX_LABELS:
        raise ModelError(f"the model has {len(names)} labels, a package at most {MAX_LABELS}")
    return tuple(_label(name, given.get(name), source) for name in names)


def _wish(text: str) -> tuple[str, str | None]:
    name, colon, category = text.rpartition(":")
    if not colon:
        return text.strip(), None
    category = category.strip()
    if category != HARMLESS and category.upper() not in Category.__members__:
        raise ModelError(f"--labels {text}: no category {category}; there are: {', '.join(Category)}, {HARMLESS}")
    return name.strip(), category


def _label(name: str, wished: str | None, source: str) -> LabelDraft:
    if wished == HARMLESS:
        return LabelDraft(name, Category.OTHER, False, "--labels")
    if wished is not None:
        return LabelDraft(name, Category(wished.upper()), True, "--labels")
    for word in re.findall(r"[a-z]+", name.lower()):
        if word in _CATEGORY:
            return LabelDraft(name, _CATEGORY[word], True, f"from the word {word} ({source}): check")
    return LabelDraft(name, Category.OTHER, True, f"nothing in the name says more ({source}): check")
