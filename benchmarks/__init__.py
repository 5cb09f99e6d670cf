"""Measures the appliance from outside, each figure beside its floor or a peer of the same run; see README.md."""
