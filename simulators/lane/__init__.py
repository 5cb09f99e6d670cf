"""Several simulated devices in one process: a lane without the start-up cost of a program each."""
