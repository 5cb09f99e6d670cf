"""A simulated code reader: what passes it, apart from the wire that it tells it on."""
