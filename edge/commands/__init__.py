"""Commands from the console: who may ask for what, once, in time, and what became of it."""
