"""Drafts a package from a stranger's ONNX file: what its metadata decides is taken, what it leaves open is asked.

`export.read` reads the file, `exporters.draft` drafts its manifest, `make.make` writes the package, `proof` shows it.
"""
