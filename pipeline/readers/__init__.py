"""Readers: a file of some format in, records out; whatever cannot be read becomes a reject, never an exception.

registry: the formats; a new one is a file in formats/ and a line here
format: what a format is: its reader, its suffixes, how its large files are cut
config: what a recipe says about reading a source
unit: a file of a source, and the part of one that a task reads at a go
records: what a reader yields, the rejects that several give, and the table that holds it all
fields: a row with the user's names becomes a record
lines, compression, whole_files, charsets: numbered lines, packed streams, files that are one document, labels of pages
isolated, watch: what takes too long or too much is ended
formats: one file each
"""
