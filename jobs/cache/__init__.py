"""Costly results, kept by content."""
