"""The contract as documents: AsyncAPI and JSON Schemas, made of the classes that encode and check the messages."""

from edge.contract.documents import documents

__all__ = ["documents"]
