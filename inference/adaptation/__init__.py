"""Adapts the model to one scanner, on the appliance, from pictures of its ordinary bags that never leave it.

The network's features stay as they are; its last layer is fitted anew so that simulated threats in the site's own bags
outrank those bags, and it moves no further than held-out bags say it should. Whether that made it better is measured
on bags that had no part in it, with threats put in by an operator that had none either, and on simulated bags in which
nothing was put in at all: a model that learned the insertion in place of the threat gets worse there, and is refused.
"""

from inference.adaptation.run import Adapted, adapt

__all__ = ["Adapted", "adapt"]
