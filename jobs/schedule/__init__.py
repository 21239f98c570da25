"""The nightly build for a scheduler, which lives in an environment of its own: nothing here is imported by jobs."""
