"""Ingest: from files of several formats to documents, judgements and rejects.

config: what a recipe says about a source
files: which files a source means, and the digest that tells whether they changed; remote_files: those of a URI
units: the work list: files, or spans of large files, that one task reads at a go
tables: the Spark side: units -> records (pipeline.readers) -> documents, judgements, rejects
clean: a record becomes a row: repaired and normalised text, ids and reasons to drop it
passages: long documents are cut
erase: erasure on request
yields: what each source gave; a source that gave nothing is refused
"""
