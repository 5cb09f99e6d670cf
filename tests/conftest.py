"""Fixtures that every test may ask for; and no test fails because the machine is busy."""

from hypothesis import HealthCheck, settings

from tests.peers import broker, start_broker

__all__ = ["broker", "start_broker"]

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
