"""What a source is read with: a file a format."""
