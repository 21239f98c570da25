"""A judged collection as its texts, and which document answers which query."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.ids import unit_of


@dataclass
class Collection:
    """Texts by id; the pairs of the train and of the test split in the order of their files; all answers of a query."""

    name: str
    documents: dict[str, str]
    queries: dict[str, str]
    train: list[tuple[str, str]] = field(default_factory=list)
    test: list[tuple[str, str]] = field(default_factory=list)
    relevant: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def show_one(self) -> dict[str, str]:
        """Return one answer of each query, drawn by hash."""
        shown = {}
        for query in sorted(self.relevant):
            answers = sorted(self.relevant[query])
            shown[query] = answers[int(unit_of(0, "shown", self.name, query) * len(answers))]
        return shown


def read_truth(folder: Path) -> Collection:
    """Read a BEIR folder."""
    made = Collection(folder.name, _texts(folder / "corpus.jsonl.gz"), _texts(folder / "queries.jsonl.gz"))
    for split, pairs in (("train", made.train), ("test", made.test)):
        path = folder / "qrels" / f"{split}.tsv"
        for line in path.read_text(encoding="utf-8").splitlines()[1:] if path.is_file() else ():
            query, document, grade = line.split("\t")
            if float(grade) > 0 and document in made.documents:
                pairs.append((query, document))
                made.relevant[query].add(document)
    return made


def _texts(path: Path) -> dict[str, str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return {row["_id"]: f"{row.get('title') or ''}\n{row['text']}".strip() for row in rows}
