"""A simulated relay board with lamps on it."""
