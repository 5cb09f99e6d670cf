"""Rules and examples that are data, not code: severity, device profiles, example lanes."""
