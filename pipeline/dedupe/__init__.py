"""Exact and near duplicates: found by hash and by MinHash LSH, verified, clustered, one survivor a cluster."""
