"""Positives from structure and judgements."""
