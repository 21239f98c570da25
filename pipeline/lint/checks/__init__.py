"""What is looked for in a training set: a file a check."""
