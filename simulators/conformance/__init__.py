"""One module a driver: `CASES`, a tuple of `drivers.conformance.case.Case`. Named as its folder."""
