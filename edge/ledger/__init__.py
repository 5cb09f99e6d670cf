"""The ledger: the only queue. One SQLite file and the evidence folder, written by one thread of the core."""

from edge.ledger.entries import Mark, Note, Record, Written
from edge.ledger.ledger import Ledger

__all__ = ["Ledger", "Mark", "Note", "Record", "Written"]
