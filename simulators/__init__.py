"""Simulated devices on their real wires, and the reference console. What stands here is simulated, and says so."""
