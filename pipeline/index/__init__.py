"""What the documents are searched with: an index of words, and vectors."""
