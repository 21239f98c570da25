"""The evaluation set cut from the sources."""
