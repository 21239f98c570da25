"""A linear classifier of texts into domains, learned from the documents whose source says theirs.

One-vs-rest support vector machines over TF-IDF of word n-grams, whose margins become probabilities by a softmax at one
temperature, fitted on lessons that were held out. Held out are families, so that a text is not measured by its twin.
No seed but one, no thread but one, rows in the order of their ids: the same lessons make the same model.
Source: Fan et al. 2008, LIBLINEAR; Guo et al. 2017, "On Calibration of Modern Neural Networks" (the temperature).
Known weakness: a text of a domain that no lesson has is put among those it knows, though rarely with confidence.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipeline.bucket.config import BucketConfig, ClassifierConfig
from pipeline.bucket.features import F32, Vocabulary, fit_vocabulary, vectorise
from pipeline.bucket.taxonomy import is_stated, merge_small
from pipeline.contract import conform, kept
from pipeline.ids import unit_column, unit_of
from schemas.documents import GUESSES
from schemas.errors import RecipeError, ShardError

F64 = npt.NDArray[np.float64]
DECIMALS = 6
_FILE = "classifier.npz"
_ROWS = 2048  # texts scored at a time: (rows, domains) in float64
_WAY_OUT = "try sources.<name>.domain, sources.<name>.fields.domain, a lower bucket.min_size, or rule: cluster"


@dataclass(frozen=True)
class DomainClassifier:
    """A trained classifier: plain arrays."""

    labels: tuple[str, ...]  # L of them, sorted
    vocabulary: Vocabulary
    slopes: F32  # (V, L)
    biases: F32  # (L,)
    temperature: float

    def margins(self, rows: Any) -> F64:
        """Return how far each vectorised text lies on the side of each domain, (D, L), to 6 decimals."""
        found: F64 = np.round(np.asarray(rows @ self.slopes, dtype=np.float64) + self.biases, DECIMALS)
        return found

    def guess(self, texts: pa.StringArray) -> tuple[npt.NDArray[np.int64], F64]:
        """Return the place of the likeliest domain in ``labels`` and its probability, (D,) each.

        Nothing is likely for a text of which nothing is known: 0.
        Ties: the first of the labels.
        """
        rows = vectorise(texts, self.vocabulary)
        chances = softmax(self.margins(rows), self.temperature)
        best = chances.argmax(axis=1)
        is_known = rows.getnnz(axis=1) > 0
        return best, np.where(is_known, np.round(chances[np.arange(len(best)), best], DECIMALS), 0.0)

    def save(self, folder: Path) -> None:
        """Write it as one npz file: arrays and nothing that runs."""
        names = np.array([label.encode() for label in self.labels])
        known = self.vocabulary
        np.savez_compressed(
            folder / _FILE,
            labels=names,
            words=known.words,
            letters=known.letters,
            grams=known.grams,
            weights=known.weights,
            slopes=self.slopes,
            biases=self.biases,
            temperature=self.temperature,
        )


def load_classifier(folder: Path) -> DomainClassifier:
    """Return the classifier in a folder. Raises: ShardError when it cannot be read."""
    try:
        with np.load(folder / _FILE, allow_pickle=False) as held:
            vocabulary = Vocabulary(int(held["words"]), int(held["letters"]), held["grams"], held["weights"])
            labels = tuple(name.decode() for name in held["labels"].tolist())
            return DomainClassifier(labels, vocabulary, held["slopes"], held["biases"], float(held["temperature"]))
    except (OSError, ValueError, KeyError) as error:
        raise ShardError(f"{folder / _FILE} cannot be read ({error}); try running the stage bucket again") from error


@functools.lru_cache(maxsize=2)
def _opened(folder: str) -> DomainClassifier:
    return load_classifier(Path(folder))


def softmax(margins: F64, temperature: float) -> F64:
    """Return probabilities, (D, L)."""
    scaled = margins / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def text_of(cfg: ClassifierConfig) -> Column:
    """Return title and text as far as they are read."""
    return F.substring(F.concat_ws("\n", "title", "text"), 1, cfg.chars)


def draw_lessons(documents: DataFrame, named: Sequence[str], cfg: BucketConfig, seed: int) -> DataFrame:
    """Choose what is learned from: documents of domains that are large enough to stand in the end.

    In:   DOCUMENTS; the sources for which the recipe says a domain.
    Out:  doc_id, family, domain (merged as in DOMAINS), text; in the order of doc_id, at most ``lessons`` rows.
    Ties: drawn by hash of seed and doc_id; of each domain as many as of any other, while it has them.
    """
    stated = kept(documents).where(is_stated(named))
    paths = stated.groupBy("source", F.col("domain").alias("path")).agg(F.count("*").alias("documents"))
    large = merge_small(paths, cfg).where(~F.col("is_small") & (F.col("domain") != cfg.other))
    told = stated.select("doc_id", "source", F.col("domain").alias("path")).join(large, ["source", "path"], how="inner")
    drawn = unit_column(seed, F.lit("lesson"), F.col("doc_id"))
    place = F.row_number().over(Window.partitionBy("domain").orderBy(drawn, "doc_id"))
    ranked = told.withColumn("place", place).withColumn("drawn", drawn)
    chosen = ranked.orderBy("place", "drawn", "doc_id").limit(cfg.classifier.lessons).select("doc_id", "domain")
    texts = stated.select("doc_id", "family", text_of(cfg.classifier).alias("text"))
    return chosen.join(texts, "doc_id", how="inner").select("doc_id", "family", "domain", "text").orderBy("doc_id")


def train_classifier(lessons: pa.Table, cfg: ClassifierConfig, seed: int) -> tuple[DomainClassifier, dict[str, Any]]:
    """Measure on held-out families, then learn from all lessons.

    In:     draw_lessons' rows, in their order.
    Out:    the classifier and its figures: macro-F1 and accuracy where held out, the same above the confidence asked.
    Raises: RecipeError for fewer than two domains, or none left over to measure on.
    """
    labels = tuple(sorted(set(lessons["domain"].to_pylist())))
    if len(labels) < 2:
        got = ", ".join(labels) or "none"
        raise RecipeError(f"bucket.rule classifier must have two domains or more to learn, got {got}; {_WAY_OUT}")
    texts = lessons["text"].combine_chunks()
    answers = np.searchsorted(np.array(labels), np.array(lessons["domain"].to_pylist()))
    draws = [unit_of(seed, "held out", family) for family in lessons["family"].to_pylist()]
    is_held = np.array(draws) < cfg.held_out
    missing = sorted(set(range(len(labels))) - set(answers[~is_held].tolist()))
    if missing or not is_held.any():
        which = ", ".join(labels[place] for place in missing[:5]) or "all"
        raise RecipeError(
            f"bucket.rule classifier must have families on both sides of its test in every domain, got "
            f"too few in {which}; {_WAY_OUT}"
        )
    first = fit_classifier(texts.filter(pa.array(~is_held)), answers[~is_held], labels, cfg)
    margins = first.margins(vectorise(texts.filter(pa.array(is_held)), first.vocabulary))
    temperature = fit_temperature(margins, answers[is_held])
    figures = measure_classifier(softmax(margins, temperature), answers[is_held], cfg.min_confidence)
    model = fit_classifier(texts, answers, labels, cfg, temperature)
    facts = {
        "domains": len(labels),
        "lessons": len(answers),
        "held_out": int(is_held.sum()),
        "features": len(model.vocabulary.grams),
        "temperature": temperature,
    }
    return model, {**facts, **figures}


def fit_classifier(
    texts: pa.StringArray,
    answers: npt.NDArray[np.int64],
    labels: Sequence[str],
    cfg: ClassifierConfig,
    temperature: float = 1.0,
) -> DomainClassifier:
    """Fit the linear model; every label has a text, and so has another one."""
    from sklearn.svm import LinearSVC

    vocabulary = fit_vocabulary(texts, cfg.words, cfg.letters, cfg.features)
    # LIBLINEAR's own tolerance; scikit-learn's takes fifty times as long, to the same scores.
    model = LinearSVC(C=cfg.penalty, class_weight="balanced", tol=0.1, random_state=0)
    model.fit(vectorise(texts, vocabulary), answers)
    slopes, biases = model.coef_.T, model.intercept_
    if len(labels) == 2:  # one machine tells both apart
        slopes, biases = np.hstack([-slopes, slopes]), np.concatenate([-biases, biases])
    return DomainClassifier(
        tuple(labels), vocabulary, np.ascontiguousarray(slopes, np.float32), biases.astype(np.float32), temperature
    )


def fit_temperature(margins: F64, answers: npt.NDArray[np.int64]) -> float:
    """Return the temperature under which the true answers are likeliest, to 3 decimals.

    One answer more is taken to be any of the domains: else no temperature were low enough where none is wrong.
    Source: Platt 1999, section 2.2, for that prior.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        chances = np.log(np.maximum(softmax(margins, float(np.exp(log_temperature))), 1e-12))
        told = chances[np.arange(len(answers)), answers].sum()
        return float(-(told + chances.mean()))

    found = minimize_scalar(loss, bounds=(-5.0, 3.0), method="bounded", options={"xatol": 1e-4})
    return max(0.001, round(float(np.exp(found.x)), 3))


def measure_classifier(chances: F64, answers: npt.NDArray[np.int64], floor: float) -> dict[str, float]:
    """Return how good the guesses are: all of them, and those that are believed."""
    from sklearn.metrics import f1_score

    guesses, believed = chances.argmax(axis=1), chances.max(axis=1) >= floor
    right = guesses == answers
    return {
        "macro_f1": round(float(f1_score(answers, guesses, average="macro")), 4),
        "accuracy": round(float(right.mean()), 4),
        "believed": round(float(believed.mean()), 4),
        "accuracy_of_believed": round(float(right[believed].mean()), 4) if believed.any() else 0.0,
    }


def guess_domains(documents: DataFrame, named: Sequence[str], folder: Path, cfg: ClassifierConfig) -> DataFrame:
    """Guess the domain of every kept document whose source says none.

    In:   DOCUMENTS; the sources for which the recipe says a domain; the folder that ``save`` wrote to.
    Out:  GUESSES.
    """
    home = str(folder)

    def guess(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        model = _opened(home)
        names = pa.array(model.labels, pa.string())
        for batch in batches:
            for start in range(0, batch.num_rows, _ROWS):
                part = batch.slice(start, _ROWS)
                best, chance = model.guess(part.column("read"))
                yield pa.RecordBatch.from_arrays(
                    [part.column("doc_id"), names.take(pa.array(best)), pa.array(chance)],
                    names=["doc_id", "guess", "confidence"],
                )

    asked = kept(documents).where(~is_stated(named)).select("doc_id", text_of(cfg).alias("read"))
    return conform(asked.mapInArrow(guess, "doc_id string, guess string, confidence double"), GUESSES)


def believe_guesses(documents: DataFrame, named: Sequence[str], guesses: DataFrame, cfg: BucketConfig) -> DataFrame:
    """Return (doc_id, source, path) of the kept documents: what the source says, what is believed, else ``other``."""
    stated = kept(documents).where(is_stated(named)).select("doc_id", "source", F.col("domain").alias("path"))
    believed = F.col("confidence") >= cfg.classifier.min_confidence
    path = F.when(believed, F.col("guess")).otherwise(F.lit(cfg.other)).alias("path")
    asked = documents.select("doc_id", "source").join(guesses, "doc_id", how="inner")
    return stated.unionByName(asked.select("doc_id", "source", path))
