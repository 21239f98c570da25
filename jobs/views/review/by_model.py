"""A language model as reviewer: the same questions, asked of any OpenAI-compatible chat server.

Every reply is in the journal before it is read, by what was asked, so that none is asked for twice; the answers are
kept like those of people, under the name of the model. Whether they count is decided elsewhere, by agreement with
people (``pipeline/review/agreement.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from jobs.cache.replies import Journal, Written, reply_key
from jobs.engines.vllm.client import CHAT, Endpoint, OpenAiGenerator
from jobs.store.files import digest_of
from jobs.store.layout import JOURNALS, cache_folder
from jobs.views.review.session import POSITIVES_SHOWN, Session
from pipeline.ids import unit_of
from pipeline.ports import GenerationRequest, Generator
from pipeline.review.agreement import Pair, is_believed
from pipeline.review.config import BAND, ReviewConfig
from pipeline.review.draw import REPEAT
from pipeline.review.verdict import REPLY_TOKENS, make_prompt, read_verdict
from schemas.errors import EngineError
from schemas.mining import DUPLICATE_OF_POSITIVE, POSITIVE
from schemas.reviews import BROWSED, MODEL, content_key

_KEPT_AT_ONCE = 64  # answers a file
_MANY_REFUSED = 20  # so many, and no reply at all: the rest is not asked


@dataclass(frozen=True)
class Asked:
    """A question to the model: its prompt, and what its answer is kept under."""

    prompt: str
    pair: Pair
    purpose: str
    inclusion: float


@dataclass
class Outcome:
    """What became of a run."""

    questions: int = 0
    requests: int = 0
    remembered: int = 0
    kept: int = 0
    unreadable: int = 0
    refused: int = 0
    left: int = 0  # over the budget

    def tell(self) -> str:
        """Return it as a line for a terminal."""
        figures = {
            "questions": self.questions,
            "requests": self.requests,
            "remembered": self.remembered,
            "new answers": self.kept,
            "without a verdict": self.unreadable,
            "refused": self.refused,
            "left by review.requests": self.left,
        }
        return ", ".join(f"{name} {count:,}" for name, count in figures.items() if count or name == "questions")


def reviewer_of(cfg: ReviewConfig) -> str:
    """Return the name that a model's answers are kept under."""
    return f"{MODEL}:{cfg.model_name}"


def open_generator(cfg: ReviewConfig) -> OpenAiGenerator:
    """Return the client of the recipe's chat server; nothing is asked yet."""
    return OpenAiGenerator(
        cfg.url or "",
        cfg.model_name or "",
        cfg.api_key_env,
        in_flight=cfg.concurrency,
        timeout_seconds=float(cfg.timeout_seconds),
        endpoint=Endpoint(CHAT, is_settled=True),
    )


def ask_model(session: Session, generator: Generator, seed: int, progress: Callable[[int, int], None]) -> Outcome:
    """Have the model answer what it has not answered yet, within the budget.

    Raises: EngineError when the server is gone or refuses everything; what it answered by then is kept.
    """
    cfg, asked = session.cfg, list(_questions(session, seed))
    outcome, kept = Outcome(questions=len(asked)), 0
    settings: dict[str, Any] = {"max_tokens": REPLY_TOKENS, "temperature": 0.0, "seed": seed, "stop": ()}
    model = digest_of([cfg.url, cfg.model_name])
    with Journal(cache_folder(session.pool.ledger.store.workspace, JOURNALS, model)) as journal:
        keys = {reply_key(each.prompt, **settings): each for each in asked}
        missing = [key for key in keys if key not in journal]
        outcome.remembered, outcome.left = len(keys) - len(missing), max(0, len(missing) - cfg.requests)
        ready = [key for key in keys if key in journal]
        requests = [GenerationRequest(key, keys[key].prompt) for key in missing[: cfg.requests]]
        try:
            for reply in generator.complete(requests, **settings) if requests else ():
                outcome.requests += 1
                progress(outcome.requests, len(requests))
                if reply.error:
                    outcome.refused += 1
                    if outcome.requests == outcome.refused == _MANY_REFUSED:
                        raise EngineError(
                            f"the server refuses every question: {reply.error}; check review in the recipe"
                        )
                    continue
                journal.append(reply.request_id, Written(reply.text, reply.finish_reason))
                ready.append(reply.request_id)
                if len(ready) - kept >= _KEPT_AT_ONCE:
                    _keep(session, journal, keys, ready[kept:], outcome)
                    kept = len(ready)
        finally:
            _keep(session, journal, keys, ready[kept:], outcome)
    return outcome


def tell_agreement(session: Session) -> str:
    """Return how far the model agrees with people, and whether its answers count."""
    found, cfg = session.standing().with_people, session.cfg
    if found is None or not found.pairs:
        return f"agreement    no pair that people answered too: its answers count from {cfg.min_common} common ones on"
    kappa = "no kappa, since all say the same" if found.kappa is None else f"kappa {found.kappa:.2f}"
    word = "its answers count" if is_believed(found, cfg) else "its answers do not count"
    bounds = f"review.min_common {cfg.min_common}, review.min_kappa {cfg.min_kappa}"
    return f"agreement    {found.same} of {found.pairs} answers as people gave them, {kappa}: {word} ({bounds})"


def _questions(session: Session, seed: int) -> Iterator[Asked]:
    """Yield what the model is asked: the sample, or every open candidate in the band, in the order of the draw."""
    if session.cfg.ask == BAND:
        yield from _band(session, seed)
        return
    for number, asked in enumerate(session.questions):
        if asked.kind != REPEAT:  # a model that decodes greedily repeats itself
            shown = session.show(number)
            known = [each.text for each in shown.positives]
            prompt = make_prompt(shown.query, known, shown.candidate.text, session.cfg)
            yield Asked(prompt, session.pairs[number], asked.purpose, asked.inclusion)


def _band(session: Session, seed: int) -> Iterator[Asked]:
    """Yield the candidates in the band; what is left by the budget is a fair share, since hashes order them.

    All of them are taken, none is drawn: their answers are evidence, and stand in no estimate of a sample.
    """
    pool, cfg = session.pool, session.cfg
    rows = pool.candidates
    chosen = rows[
        rows["fn_probability"].between(cfg.band_low, cfg.band_high)
        & (rows["drop_reason"] != POSITIVE)
        & (rows["drop_reason"] != DUPLICATE_OF_POSITIVE)
        & rows["query_id"].isin(pool.queries.keys())
    ]
    ids = sorted(
        zip(chosen["query_id"], chosen["doc_id"], strict=True), key=lambda pair: (unit_of(seed, "band", *pair), pair)
    )
    known = {query: docs[:POSITIVES_SHOWN] for query, docs in pool.positives_of(query for query, _ in ids).items()}
    texts = pool.texts([*(doc for _, doc in ids), *(doc for docs in known.values() for doc in docs)])
    for query_id, doc_id in ids:
        if doc_id in texts:
            query, text = pool.queries[query_id], texts[doc_id].text
            shown = [texts[doc].text for doc in known.get(query_id, ()) if doc in texts and doc != doc_id]
            yield Asked(make_prompt(query, shown, text, cfg), (content_key(query), content_key(text)), BROWSED, 1.0)


def _keep(session: Session, journal: Journal, keys: dict[str, Asked], ready: list[str], outcome: Outcome) -> None:
    """Keep the verdicts in these replies."""
    answers = []
    for key in ready:
        written, asked = journal.get(key), keys[key]
        verdict = read_verdict(written.reply) if written else None
        if verdict is None:
            outcome.unreadable += 1
        else:
            answers.append((asked.pair, verdict[0], asked.purpose, asked.inclusion, verdict[1]))
    outcome.kept += session.keep_all(answers)
