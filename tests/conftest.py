"""Fixtures that every test may ask for; and no test fails because the machine is busy."""

import os

from hypothesis import HealthCheck, settings

from tests.peers import broker, start_broker

__all__ = ["broker", "start_broker"]

# Modes of files are part of what is tested: they are not to be those of whoever runs this.
os.umask(0o022)

# Where it is decided whether something lands (`CI` is set there), the examples are the same each time: what fails then
# fails for what was changed. Elsewhere they are new each time, and find what nobody thought of.
settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("unhurried")
