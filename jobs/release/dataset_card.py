"""The dataset card: what a version is made of, how its negatives were judged, how to load it, what it cannot do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Template

from schemas.shards import SHARDS

_DOMAINS = 30  # rows of the table of domains; the rest is summed up
_CARD = Path(__file__).with_name("dataset_card.md")


def write_card(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write the card from the manifest alone: equal versions have equal cards."""
    rows = manifest["rows"]
    stages = sorted({row["stage"] for row in rows})
    card = Template(_CARD.read_text(encoding="utf-8"), keep_trailing_newline=True)
    path.write_text(
        card.render(
            name=manifest["name"],
            version=manifest["version"],
            seed=manifest["seed"],
            size=_size_category(sum(row["rows"] for row in rows)),
            configs="\n".join(_list_configs(stages)),
            counts=_lay_out_counts(rows),
            homogeneous=_describe_batches(manifest["recipe"]["assemble"]),
            columns=_lay_out(["column", "type", "meaning"], ([f"`{c.name}`", c.type, c.doc] for c in SHARDS.columns)),
            sources=_lay_out(
                ["source", "licence", "documents", "characters"],
                (
                    [row["source"], row["license"], f"{row['documents']:,}", f"{row['characters']:,}"]
                    for row in manifest["sources"]
                ),
            ),
            funnel=_lay_out_funnel(manifest["funnel"]),
            judged=_describe_verdicts(manifest["funnel"]),
            domains=_lay_out_domains(rows),
            models=", ".join(_list_models(manifest["models"])),
            prompts=_describe_prompts(manifest.get("prompts", {})),
            recipe=json.dumps(manifest["recipe"], indent=1, sort_keys=True).replace("`", "\\u0060"),  # ends no block
        ),
        encoding="utf-8",
    )


def _size_category(rows: int) -> str:
    """Return the size category of the Hugging Face hub."""
    steps = (
        (1_000, "n<1K"),
        (10_000, "1K<n<10K"),
        (100_000, "10K<n<100K"),
        (1_000_000, "100K<n<1M"),
        (10_000_000, "1M<n<10M"),
    )
    return next((name for limit, name in steps if rows < limit), "n>10M")


def _list_configs(stages: Sequence[int]) -> Iterable[str]:
    for stage in stages:
        yield f"- config_name: stage{stage}"
        yield from ["  default: true"] if stage == stages[0] else []
        yield f"  data_files:\n  - split: train\n    path: stage{stage}/*.parquet"


def _lay_out_counts(rows: Sequence[Mapping[str, Any]]) -> str:
    tasks = {1: "pairs, negatives from the batch", 2: "pairs with judged negatives"}
    lines = []
    for stage, task in tasks.items():
        part = [row for row in rows if row["stage"] == stage]
        total, batches, negatives = (sum(row[key] for row in part) for key in ("rows", "batches", "negatives"))
        lines.append([str(stage), task, f"{total:,}", f"{batches:,}", f"{negatives:,}"])
    return _lay_out(["stage", "task", "examples", "batches", "negatives"], lines)


def _describe_batches(assemble: Mapping[str, Any]) -> str:
    both = assemble["homogeneous_stage1"], assemble["homogeneous_stage2"]
    if all(both):
        return ", one domain"
    return f", one domain in stage {1 if both[0] else 2}" if any(both) else ""


def _lay_out_funnel(funnel: Mapping[str, Any]) -> str:
    return _lay_out(
        ["stage", "table", "rows", "kept", "dropped, by reason"],
        (
            [
                stage,
                table,
                f"{sum(reasons.values()):,}",
                f"{reasons.get('kept', 0):,}",
                ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()) if reason != "kept")
                or "none",
            ]
            for stage, tables in funnel.items()
            for table, reasons in tables.items()
        ),
    )


def _describe_verdicts(funnel: Mapping[str, Any]) -> str:
    reasons = funnel.get("judge", {}).get("verdicts", {})
    if not reasons:
        return "No candidate was judged in this version."
    words = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
    return f"Of {sum(reasons.values()):,} candidates: {words}."


def _lay_out_domains(rows: Sequence[Mapping[str, Any]]) -> str:
    sums: dict[str, list[int]] = {}
    for row in rows:
        sums.setdefault(row["domain"], [0, 0])[row["stage"] - 1] += row["rows"]
    largest = sorted(sums.items(), key=lambda item: (-sum(item[1]), item[0]))
    lines = [[name, *(f"{count:,}" for count in counts)] for name, counts in largest[:_DOMAINS]]
    if rest := largest[_DOMAINS:]:
        lines.append([f"{len(rest)} more", *(f"{sum(counts[i] for _, counts in rest):,}" for i in (0, 1))])
    return _lay_out(["domain", "examples in stage 1", "in stage 2"], lines)


def _describe_prompts(prompts: Mapping[str, str]) -> str:
    """Return what the encoder put before texts; a model trained on these expects the same."""
    given = [f"`{json.dumps(text, ensure_ascii=False)}` before a {role}" for role, text in prompts.items() if text]
    return f"The encoder put {' and '.join(given)}." if given else "The encoder put no prompt before texts."


def _list_models(models: Mapping[str, Any]) -> Iterable[str]:
    for role, digests in models.items():
        each = [digests] if isinstance(digests, str) else digests
        yield f"{role} {', '.join(f'`{digest}`' for digest in each) or 'none'}"


def _lay_out(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; what would end a cell or a line is made harmless."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(_escape(cell) for cell in line) + " |" for line in lines)


def _escape(text: str) -> str:
    return " ".join(str(text).replace("|", "\\|").replace("<", "&lt;").split())
