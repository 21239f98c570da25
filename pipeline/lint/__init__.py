"""A training set that someone else made, looked at: what is in it that will hurt a model."""
