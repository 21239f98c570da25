"""Signals of a pair, and the teacher."""
