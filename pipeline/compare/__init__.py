"""Two versions of a dataset, held side by side."""
