"""Files, tables, the lease, the mirror of a remote workspace."""
