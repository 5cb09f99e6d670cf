"""Every kind of trial there is."""

from tests.torture.kinds import backlog, clock, core, device, disk, network, peers, update
from tests.torture.trial import Kind

ALL: dict[str, Kind] = {
    kind.name: kind for module in (core, backlog, device, network, disk, clock, peers, update) for kind in module.KINDS
}
