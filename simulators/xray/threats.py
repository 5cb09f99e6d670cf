"""What a lane looks for: every kind of threat with its label and its DICOS threat category."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulators.xray import blades, masses, tools, weapons
from simulators.xray.solids import Part


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of threat: how to make one, what it is called and which DICOS Threat Category (4010,1012) it has."""

    make: Callable[[np.random.Generator], list[Part]]
    label: str
    category: str


THREATS = {
    "pistol": Kind(weapons.pistol, "firearm", "PI"),
    "revolver": Kind(weapons.revolver, "firearm", "PI"),
    "long-gun": Kind(weapons.long_gun, "firearm", "PI"),
    "gun-part": Kind(weapons.gun_part, "firearm part", "PI"),
    "ammunition": Kind(weapons.ammunition, "ammunition", "PI"),
    "knife": Kind(blades.knife, "blade", "PI"),
    "folding-knife": Kind(blades.folding_knife, "blade", "PI"),
    "cleaver": Kind(blades.cleaver, "blade", "PI"),
    "scissors": Kind(blades.big_scissors, "blade", "PI"),
    "other-blade": Kind(blades.other_blade, "blade", "PI"),
    "knuckle": Kind(blades.knuckle, "striking weapon", "PI"),
    "club": Kind(blades.club, "striking weapon", "PI"),
    "hand-tool": Kind(tools.hand_tool, "hand tool", "PI"),
    "brick": Kind(masses.brick, "organic mass", "CONTRABAND"),
    "explosive": Kind(masses.explosive, "explosive mass", "EXPLOSIVE"),
    "sheet": Kind(masses.sheet, "organic sheet", "CONTRABAND"),
    "pellets": Kind(masses.pellets, "pellets", "CONTRABAND"),
    "currency": Kind(masses.currency, "bundled currency", "CONTRABAND"),
    "ivory": Kind(masses.ivory, "ivory", "CONTRABAND"),
    "pharmaceuticals": Kind(masses.pharmaceuticals, "pharmaceuticals in bulk", "PHARMACEUTICAL"),
    "shield": Kind(masses.shield, "opaque region", "ANOMALY"),
}
