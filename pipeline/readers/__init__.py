"""Readers: a file of some format in, records out; whatever cannot be read becomes a reject, never an exception.

registry: the formats; a new one is a file here and a line there
format: what a format is: its reader, its suffixes, how its large files are cut
config: what a recipe says about reading a source
unit: a file of a source, and the part of one that a task reads at a go
records: what a reader yields, the rejects that several give, and the table that holds it all
fields: a row with the user's names becomes a record
lines, compression, whole_files: numbered lines, packed streams, files that are one document
jsonl, parquet, csv_tsv, json_arrays, squad, beir, msmarco, text, markdown, html_warc, pdf, pydocs: the formats
"""
