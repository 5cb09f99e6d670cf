"""The courier takes what the ledger holds to the console, and believes it arrived only when the console says so."""

from edge.courier.courier import Courier

__all__ = ["Courier"]
