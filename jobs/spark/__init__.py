"""Spark's session, Java, and Python workers."""
