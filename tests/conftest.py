"""Fixtures that every test may ask for."""

from tests.peers import broker, start_broker

__all__ = ["broker", "start_broker"]
