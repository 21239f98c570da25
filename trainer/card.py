"""The model card: what the model came from, how it was trained and how to use it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_TEMPLATE = """---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
base_model: {base}
datasets:
- {dataset}
tags:
- sentence-transformers
- feature-extraction
- pairwright
---

# {base}, trained on {dataset} (stage {stage})

A text-embedding model made by pairwright: base model `{base}`, dataset `{dataset}`, {steps} steps over {examples}
examples, {precision}. Embeddings have unit length; the first {dimensions} values can be used alone (Matryoshka).

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/directory")                    # truncate_dim={smallest} for short vectors
queries, documents = model.encode_query(["..."]), model.encode_document(["..."])
print(model.similarity(queries, documents))
```

## Training

| step | loss | learning rate |
|---:|---:|---:|
{curve}

Every step is in `training.jsonl`, the summary in `training.json`.

```json
{config}
```
"""


def write_card(path: Path, summary: Mapping[str, Any], log: Sequence[Mapping[str, Any]]) -> None:
    """Write the card; it holds nothing that differs between two runs of the same plan."""
    config = summary["config"]
    path.write_text(
        _TEMPLATE.format(
            **{name: summary[name] for name in ("base", "dataset", "stage", "steps", "examples", "precision")},
            dimensions=", ".join(str(dimension) for dimension in config["dimensions"]),
            smallest=config["dimensions"][-1],
            curve="\n".join(_curve(log)),
            config=json.dumps({**config, "model": summary["base"]}, indent=1),
        ),
        encoding="utf-8",
    )


def _curve(log: Sequence[Mapping[str, Any]], points: int = 20) -> list[str]:
    """Return table rows of the mean loss over at most ``points`` equal stretches."""
    size = max(1, -(-len(log) // points))
    rows: list[str] = []
    for start in range(0, len(log), size):
        part = log[start : start + size]
        loss = sum(record["loss"] for record in part) / len(part)
        rows.append(f"| {part[-1]['step']} | {loss:.4f} | {part[-1]['lr']:.2e} |")
    return rows
