"""A whole simulated lane on this machine: broker, simulated devices, appliance and console, a process each."""

from edge.demo.lane import Options, Tell, run
from edge.demo.process import DemoFailed

__all__ = ["DemoFailed", "Options", "Tell", "run"]
