"""Trials that every driver stands: what wires and devices do to it on a bad day, and what it must do then.

`case` says what a driver's trial needs (its simulated peer, and what a good exchange is), `tap` is the wire with a hand
on it, `trials` are the trials, `port` is a core that keeps what the driver says, and
`grading` holds every trial of a driver and says what it is worth. None of it needs a test runner.
"""
