"""One real input of every format that ingest reads, made of the public collections and of this machine's files."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import sysconfig
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from pipeline.ingest.config import SourceConfig, make_source

Rows = list[dict[str, Any]]
_PDF_DOCUMENTS, _PDF_LINES, _TEXT_FILES = 40, 60, 2_000


def write_inputs(folder: Path, collections: Path) -> dict[str, SourceConfig]:
    """Write the inputs below the folder; return the source of each, by the name of its row."""
    folder.mkdir(parents=True)
    news = _read(collections / "reuters21578" / "corpus.jsonl.gz")
    answers = _read(collections / "medquad" / "corpus.jsonl.gz")
    texts = _read(collections / "license_texts" / "corpus.jsonl.gz")
    lines = "".join(json.dumps(row) + "\n" for row in news).encode()
    files: dict[str, tuple[str, bytes]] = {
        "jsonl": ("news.jsonl", lines),
        "jsonl, gzip": ("news.jsonl.gz", gzip.compress(lines)),
        "jsonl, bzip2": ("news.jsonl.bz2", bz2.compress(lines)),
        "jsonl, zstd": ("news.jsonl.zst", pa.compress(lines, "zstd", asbytes=True)),
        "json": ("news.json", json.dumps(news).encode()),
        "csv": ("answers.csv", _table(answers, ",")),
        "tsv": ("answers.tsv", _table(answers, "\t")),
        "squad": ("squad.json", _squad(_read(collections / "cmrc2018_zh" / "corpus.jsonl.gz"))),
        "warc": ("pages.warc.gz", _warc()),
    }
    sources = {}
    for name, (file, raw) in files.items():
        (folder / file).write_bytes(raw)
        sources[name] = _source(name.split(",")[0], folder / file)
    pq.write_table(pa.Table.from_pylist(news).select(["id", "text"]), folder / "news.parquet")
    _folder_of(folder / "text", ".txt", [row["text"] for row in texts[:_TEXT_FILES]])
    _folder_of(folder / "html", ".html", [path.read_bytes() for path in _pages()])
    _write_pdf(folder / "licences.pdf", [row["text"] for row in texts[:_PDF_DOCUMENTS]])
    _msmarco(folder / "msmarco", collections / "scifact")
    return sources | {
        "parquet": _source("parquet", folder / "news.parquet"),
        "text": _source("text", folder / "text"),
        "html": _source("html", folder / "html"),
        "pdf": _source("pdf", folder / "licences.pdf"),
        "markdown": _source("markdown", Path(sysconfig.get_path("purelib"))),
        "beir": _source("beir", collections / "scifact"),
        "msmarco": _source("msmarco", folder / "msmarco"),
        "pydocs": make_source(name="pydocs", format="pydocs", packages=("stdlib",)),
    }


def _source(form: str, path: Path) -> SourceConfig:
    return make_source(name=form, format=form, path=str(path))


def _read(path: Path) -> Rows:
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        return [json.loads(line) for line in handle if line.strip()]


def _table(rows: Rows, delimiter: str) -> bytes:
    out = io.StringIO()
    quoting = csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
    writer = csv.writer(
        out, delimiter=delimiter, quoting=quoting, quotechar='"' if delimiter == "," else None, lineterminator="\n"
    )
    writer.writerow(["id", "title", "text"])
    for row in rows:
        cells = [row["_id"], row.get("title", ""), row["text"]]
        writer.writerow(cells if delimiter == "," else [" ".join(cell.split()) for cell in cells])
    return out.getvalue().encode()


def _squad(rows: Rows) -> bytes:
    paragraphs = [
        {
            "title": row["title"],
            "paragraphs": [
                {
                    "context": row["text"],
                    "qas": [
                        {
                            "id": row["_id"],
                            "question": f"{row['title']}是什么？",
                            "answers": [{"text": row["text"][:2], "answer_start": 0}],
                        }
                    ],
                }
            ],
        }
        for row in rows
    ]
    return json.dumps({"version": "1", "data": paragraphs}, ensure_ascii=False).encode()


def _pages() -> list[Path]:
    found = Path(sysconfig.get_path("purelib")).rglob("*.html")
    return sorted(path for path in found if path.stat().st_size > 2_000)


def _warc() -> bytes:
    out = io.BytesIO()
    writer = WARCWriter(out, gzip=True)
    for path in _pages() * 20:
        head = StatusAndHeaders("200 OK", [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.0")
        writer.write_record(
            writer.create_warc_record(
                f"http://example.org/{path.name}", "response", payload=io.BytesIO(path.read_bytes()), http_headers=head
            )
        )
    return out.getvalue()


def _folder_of(folder: Path, suffix: str, texts: list[Any]) -> None:
    folder.mkdir()
    for i, text in enumerate(texts):
        (folder / f"{i:05}{suffix}").write_bytes(text if isinstance(text, bytes) else text.encode())


def _write_pdf(path: Path, texts: list[str]) -> None:
    """Write a page of lines for every text."""
    from matplotlib import rcParams
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    rcParams["pdf.fonttype"] = 42
    with PdfPages(path) as out:
        for text in texts:
            page = Figure(figsize=(8, 11))
            shown = "\n".join(text.replace("$", "").splitlines()[:_PDF_LINES])
            page.text(0.05, 0.97, shown, fontsize=6, verticalalignment="top", parse_math=False)
            out.savefig(page)


def _msmarco(folder: Path, beir: Path) -> None:
    """Write a BEIR folder in the layout of MS MARCO."""
    folder.mkdir()

    def lines(rows: Rows) -> str:
        return "".join(f"{row['_id']}\t{' '.join(row['text'].split())}\n" for row in rows)

    (folder / "collection.tsv").write_text(lines(_read(beir / "corpus.jsonl.gz")), encoding="utf-8")
    (folder / "queries.train.tsv").write_text(lines(_read(beir / "queries.jsonl.gz")), encoding="utf-8")
    judged = (beir / "qrels" / "train.tsv").read_text(encoding="utf-8").splitlines()[1:]
    trec = [f"{query}\t0\t{document}\t{grade}\n" for query, document, grade in (line.split("\t") for line in judged)]
    (folder / "qrels.train.tsv").write_text("".join(trec), encoding="utf-8")
