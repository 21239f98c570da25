"""BM25 by Lucene, with Anserini's analysers and query generator, in a JVM inside this process.

Pyserini's searcher fetches every hit's stored document and sorts by its id, which costs four fifths of its time; this
engine talks to Lucene itself through the same bridge and looks ids up by document number. Documents are written in
the order of their ids by one thread, and segments are merged as neighbours only, so that document numbers, and with
them hits and scores, are the same in every build. The layout (fields ``id`` and ``contents``) is Anserini's:
``pyserini.search.lucene.LuceneSearcher`` opens the index too.

Queries are data: words by the analyser, any of which may match; there is no query syntax in them.
Source: Robertson and Zaragoza 2009; Kamphuis et al. 2020 for Lucene's variant.
Known weakness: Lucene keeps document lengths above 39 words in one lossy byte, so scores differ from the textbook's
by a few per cent; a query is read up to 256 words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from pyspark.sql import DataFrame

from jobs.engines.lucene_jvm import start_lucene_jvm
from pipeline.index.config import LANGUAGES, IndexConfig
from pipeline.ports import Hit
from pipeline.search.bm25 import retrieve_bm25
from pipeline.search.hits import ranked
from pipeline.text import WORD
from schemas.errors import EngineError, RecipeError, ShardError, rule

QUERY_WORDS, QUERY_CHARS = 256, 4096  # what a query is cut to: Lucene refuses, and nobody needs, thousands of words
_MOST_CLAUSES = 65_536
_BUFFER_MB = 64.0
_QUICK_DOCUMENTS = 200_000  # searches of more take so long that Java's second compiler is worth its time
_REBUILD = "try building the stage index again"
_IDS, _SETTINGS = "ids.npy", "settings.json"


def build_lucene(documents: Iterable[tuple[str, str]], folder: Path, config: IndexConfig, heap: str = "1g") -> int:
    """Index (doc_id, text), given in the order of doc_id, into the folder; return the number of documents.

    Ties:   the order of the documents is the order of equal scores.
    Cost:   one thread, a heap of 1 GB, whatever the number of documents.
    Raises: EngineError when Lucene fails or the ids are not in order.
    """
    _start(heap)
    ids: list[bytes] = []
    try:
        writer = _writer(folder, config)
        try:
            for doc_id, text in documents:
                key = doc_id.encode()
                if ids and key <= ids[-1]:
                    raise EngineError(f"documents must come in the order of their ids, got {doc_id} after {ids[-1]!r}")
                ids.append(key)
                writer.addDocument(_document(doc_id, text))
            writer.forceMerge(1)
        finally:
            writer.close()
    except _java_exception() as error:
        raise EngineError(f"Lucene could not write {folder}: {_words(error)}; try freeing space") from error
    _write_facts(folder, np.array(ids, dtype=bytes), config)
    return len(ids)


def join_indexes(parts: Sequence[Path], folder: Path, config: IndexConfig) -> None:
    """Make one index of several, whose documents follow one another in the order of their ids.

    Cost:   the copying of their files; no document is read.
    Raises: EngineError when Lucene fails or the ids are not in order; ShardError when a part is not complete.
    """
    _start("1g")
    from jnius import cast

    ids = np.concatenate([_facts(part)[1] for part in parts])
    if len(ids) > 1 and not bool((ids[:-1] < ids[1:]).all()):
        raise EngineError(f"the parts of {folder} must follow one another by their ids; try building the index again")
    directories = [_directory(part) for part in parts]
    try:
        writer = _writer(folder, config, merges=False)
        try:
            writer.addIndexes(*(cast("org.apache.lucene.store.Directory", each) for each in directories))
        finally:
            writer.close()
    except _java_exception() as error:
        raise EngineError(f"Lucene could not write {folder}: {_words(error)}; try freeing space") from error
    finally:
        for directory in directories:
            directory.close()
    _write_facts(folder, ids, config)


def _write_facts(folder: Path, ids: Any, config: IndexConfig) -> None:
    np.save(folder / _IDS, ids)
    facts = {"language": config.language, "k1": config.k1, "b": config.b, "documents": len(ids)}
    (folder / _SETTINGS).write_text(json.dumps(facts, sort_keys=True) + "\n", encoding="utf-8")


class LuceneBm25:
    """The port ``Retriever`` over an index; use it as a context manager."""

    def __init__(self, folder: Path, heap: str = "256m") -> None:
        """Open the index with the analyser and the BM25 parameters that it was built with.

        Raises: ShardError when the folder holds no complete index, EngineError when Java or Lucene fails.
        """
        facts, self._ids = _facts(folder)
        _start(heap, quick=facts["documents"] <= _QUICK_DOCUMENTS)
        from jnius import autoclass, cast

        try:
            self._directory = _directory(folder)
            self._reader = _java("index.DirectoryReader").open(self._directory)
            self._searcher = _java("search.IndexSearcher")(cast("org.apache.lucene.index.IndexReader", self._reader))
            self._searcher.setSimilarity(_java("search.similarities.BM25Similarity")(facts["k1"], facts["b"]))
            _java("search.IndexSearcher").setMaxClauseCount(_MOST_CLAUSES)
            self._analyser = _analyser(facts["language"])
            self._words = autoclass("io.anserini.search.query.BagOfWordsQueryGenerator")()
        except _java_exception() as error:
            raise ShardError(f"the index {folder} cannot be opened: {_words(error)}; {_REBUILD}") from error
        if self._reader.numDocs() != facts["documents"]:
            found = self._reader.numDocs()
            raise ShardError(f"the index {folder} must hold {facts['documents']} documents, got {found}; {_REBUILD}")

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Return up to k hits per query, best first, ties by doc_id; a query without words has none.

        Raises: EngineError when Lucene fails.
        """
        try:
            return [self._search(query, k) for query in queries]
        except _java_exception() as error:
            raise EngineError(f"Lucene failed on a query: {_words(error)}; try `pairwright doctor`") from error

    def _search(self, query: str, k: int) -> list[Hit]:
        text = cut_query(query)
        if not text or k < 1:
            return []
        found = self._searcher.search(self._words.buildQuery("contents", self._analyser, text), k).scoreDocs
        return ranked([(self._ids[hit.doc].decode(), hit.score) for hit in found], k)

    def close(self) -> None:
        """Release the index; the JVM stays for the next one."""
        self._reader.close()
        self._directory.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the index."""
        with suppress(Exception):  # what failed inside matters more
            self.close()


@dataclass(frozen=True)
class OpenLucene:
    """Opens a searcher over an index in any process; picklable."""

    folder: str

    def __call__(self) -> LuceneBm25:
        """Return a searcher of this process."""
        return LuceneBm25(Path(self.folder))


def search_bm25(queries: DataFrame, folder: Path, k: int) -> DataFrame:
    """Return (query_id, doc_id, rank, score): the k best documents of each (query_id, query), by workers of Spark."""
    return retrieve_bm25(queries, OpenLucene(str(folder)), k)


def cut_query(query: str) -> str:
    """Return the query's first 256 words, at most 4,096 characters; empty when it has no word."""
    end = 0
    for count, word in enumerate(WORD.finditer(query[:QUERY_CHARS]), start=1):
        end = word.end()
        if count == QUERY_WORDS:
            break
    return query[:end]


def _writer(folder: Path, config: IndexConfig, *, merges: bool = True) -> Any:
    from jnius import autoclass

    settings = _java("index.IndexWriterConfig")(_analyser(config.language))
    settings.setOpenMode(autoclass("org.apache.lucene.index.IndexWriterConfig$OpenMode").CREATE)
    settings.setRAMBufferSizeMB(_BUFFER_MB)
    neighbours = _java("index.LogByteSizeMergePolicy")  # so the order stays
    settings.setMergePolicy(neighbours() if merges else _java("index.NoMergePolicy").INSTANCE)
    settings.setMergeScheduler(_java("index.SerialMergeScheduler")())
    return _java("index.IndexWriter")(_directory(folder), settings)


def _directory(folder: Path) -> Any:
    from jnius import autoclass

    return _java("store.FSDirectory").open(autoclass("java.nio.file.Paths").get(str(folder)))


def _document(doc_id: str, text: str) -> Any:
    """Return a Lucene document with Anserini's fields; Java has no lone surrogates."""
    store = _java("document.Field$Store")
    document = _java("document.Document")()
    document.add(_java("document.StringField")("id", doc_id, store.YES))
    document.add(_java("document.BinaryDocValuesField")("id", _java("util.BytesRef")(doc_id.encode())))
    document.add(_java("document.TextField")("contents", text.encode("utf-8", "replace").decode(), store.NO))
    return document


def _analyser(language: str) -> Any:
    """Return Anserini's analyser of the language. Raises: RecipeError for a language it does not know."""
    from jnius import autoclass

    if language == "en":
        return autoclass("io.anserini.analysis.DefaultEnglishAnalyzer").newDefaultInstance()
    known = autoclass("io.anserini.analysis.AnalyzerMap")
    if language not in LANGUAGES or known.analyzerMap.get(language) is None:
        raise RecipeError(rule("index.language", f"one of {', '.join(LANGUAGES)}", language))
    return known.getLanguageSpecificAnalyzer(language)


def _facts(folder: Path) -> tuple[dict[str, Any], Any]:
    try:
        facts = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        return facts, np.load(folder / _IDS, mmap_mode="r" if facts["documents"] else None)
    except (OSError, ValueError, KeyError) as error:
        raise ShardError(f"{folder} holds no complete index ({type(error).__name__}: {error}); {_REBUILD}") from error


def _start(heap: str, *, quick: bool = True) -> None:
    start_lucene_jvm(heap, whole=False, quick=quick)


def _java(name: str) -> Any:
    from jnius import autoclass

    return autoclass(f"org.apache.lucene.{name}")


def _java_exception() -> type[Exception]:
    from jnius import JavaException

    return JavaException  # type: ignore[no-any-return]


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def in_order(documents: DataFrame) -> Iterator[tuple[str, str]]:
    """Yield (doc_id, text) in the order of the ids, a partition at a time."""
    for row in documents.select("doc_id", "text").orderBy("doc_id").toLocalIterator():
        yield row.doc_id, row.text
