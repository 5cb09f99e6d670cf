"""One small file a driver: `CASES`, a tuple of `drivers.conformance.case.Case`. A file put here is found by itself."""
