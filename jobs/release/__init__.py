"""Versions of a dataset: published, described, compared, rolled back."""
