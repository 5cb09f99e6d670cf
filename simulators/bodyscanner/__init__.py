"""A simulated body scanner: who passes and what it finds (`model`), and its reports on the wire (`wire`)."""
