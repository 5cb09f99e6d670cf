"""A device's wire kept in a file, and played again to the same driver: see README.md beside this file.

`tape` is the file, `keep` records, `play` plays, `virtual` is the event loop whose time passes only where nobody
works, `heard` is the core that writes down what a driver says, `wires` says what of which device can be recorded.
"""
