"""The port that the conformance trials use, for every other test of a driver."""

from drivers.conformance.port import DEADLINE_S, Said, running
from drivers.conformance.port import TrialPort as FakePort

__all__ = ["DEADLINE_S", "FakePort", "Said", "running"]
