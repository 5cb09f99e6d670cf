"""Another version in this one's place, and back again: signed packages, one link, a trial, and what undoes it.

`machine`, `places`, `disk`, `hands`, `servant` and `recover` need the standard library and `drivers` alone: a copy of
them, run by the system's own Python, undoes what was cut off though no version runs any more.
"""
