"""Retrieval by words and by vectors."""
