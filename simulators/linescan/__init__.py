"""A simulated dual-energy line detector over a belt, driven by the simulated bags' physics."""
