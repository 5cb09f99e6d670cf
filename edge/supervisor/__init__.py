"""A process a device: the nursery forks them, the supervisor watches them, and a dead one is a fact to report."""
