"""Kills, stalls, cut cables, full disks and power cuts, and an oracle that says whether a hit was lost."""
