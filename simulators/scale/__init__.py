"""A simulated scale: what lies on it, apart from the protocol that it tells it in."""
