"""Ingest: from files of several formats to documents, judgements and rejects.

sources: what a recipe says about a source, and which files that means
units: the work list: files, or spans of large files, that one task reads at a go
records: what a reader yields, and the table that holds it between reading and writing
fields: a row with the user's names becomes a record
packages: the Python files of installed packages
packing: gzip, bzip2 and zstd as streams, bombs refused
lines: numbered lines, none beyond a limit
rejects: the rejects that several readers give
formats: the readers of files of lines (JSON lines, BEIR, TSV, MS MARCO) and Parquet
delimited: CSV; rows between tabs
json_arrays: JSON arrays and SQuAD, item by item
texts: text and Markdown files
web: HTML and WARC
pdf: the text layer of PDF files
readers: which reader reads which format
docstrings: the reader of Python files
markup: reST, numpydoc and Markdown marks out of docstrings; summaries; "See Also"
clean: a record becomes a row: repaired and normalised text, ids and reasons to drop it
quality: rules that tell text from what only looks like it
languages: which language a text is in
private: personal data by their form
tables: the Spark side: units -> records -> documents, judgements, rejects
links: names in "See Also" become ids of documents
yields: what each source gave; a source that gave nothing is refused
"""
