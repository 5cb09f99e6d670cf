"""The configuration: one model that validates, documents and defaults every key; a loader that names file and line."""

from edge.config.model import Config, DeviceConfig

__all__ = ["Config", "DeviceConfig"]
