"""Docstrings of installed packages."""
