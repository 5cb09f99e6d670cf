"""Many simulated appliances in one process: what a console meets when every lane of a country speaks to it."""
