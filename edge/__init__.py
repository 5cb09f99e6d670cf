"""The appliance at a screening lane: supervisor, lane, judge, ledger, evidence, courier."""

from importlib.metadata import version

__version__ = version("jaitf-edge")

CONTRACT_VERSION = "1"
