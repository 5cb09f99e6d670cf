"""The command `jaitf-edge`: each command is a module here, and imports what it needs only when it runs."""

from edge.cli.app import main

__all__ = ["main"]
