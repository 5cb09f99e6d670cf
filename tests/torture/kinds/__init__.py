"""Every kind of trial there is."""

from tests.torture.kinds import backlog, core, device, disk, network
from tests.torture.trial import Kind

ALL: dict[str, Kind] = {kind.name: kind for module in (core, backlog, device, network, disk) for kind in module.KINDS}
