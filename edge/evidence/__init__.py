"""Evidence packages: made from the ledger and the evidence folder, checkable by anyone with unzip and openssl."""

from edge.evidence.export import export
from edge.evidence.verify import Finding, verify

__all__ = ["Finding", "export", "verify"]
