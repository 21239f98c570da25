"""Long documents become passages."""
