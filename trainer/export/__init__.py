"""Shards in the layouts of other trainers."""
