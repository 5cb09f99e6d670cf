"""The technician's page: a process of its own, so that a stranger's HTTP never runs in the core.

What it knows comes from the core over a socket pair (`wire`) and from the ledger, which it opens read-only; what it
wants goes to the core as an order, which is checked, done, answered and audited there. `edge.page` is the core's side.
Nothing here may load OpenCV or ONNX Runtime: the page is to stay small.
"""
