"""Every kind of trial there is."""

from tests.torture.kinds import core, network
from tests.torture.trial import Kind

ALL: dict[str, Kind] = {kind.name: kind for module in (core, network) for kind in module.KINDS}
