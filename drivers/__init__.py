"""Drivers: one folder each, complete; beside them the contract they keep and the wire to the core."""
