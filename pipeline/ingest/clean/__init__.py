"""What cleaning does to a record."""
