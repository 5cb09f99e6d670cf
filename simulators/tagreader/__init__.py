"""A simulated tag reader: bags, dogs and handlers pass it, and a handler presses its button."""
