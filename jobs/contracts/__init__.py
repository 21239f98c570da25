"""Great Expectations: contracts held against tables."""
