"""Examples and planned batches."""
