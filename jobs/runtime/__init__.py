"""A stage, a run, a workspace."""
