"""The ledger: the only queue. One SQLite file and the evidence folder, written by one thread of the core."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.ledger.entries import Mark, Note, Record, Written
    from edge.ledger.ledger import Ledger

__all__ = ["Ledger", "Mark", "Note", "Record", "Written"]


def __getattr__(name: str) -> object:
    # Late: who only reads the file, as the page does, has no use for what writes and signs.
    if name == "Ledger":
        from edge.ledger.ledger import Ledger

        return Ledger
    if name in __all__:
        from edge.ledger import entries

        return getattr(entries, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
