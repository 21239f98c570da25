"""Every path of a workspace: what its folders and files are called, and who may be found where.

<workspace>/
tables/<stage>/<fingerprint>/<table or artefact>/...    and _manifest.json, written last
cache/<kind>/<digest>/...                               embeddings, scores, replies, teachers, shots, training
datasets/<name>/<version>/                              stage1/, stage2/, eval/, manifest.json, README.md
datasets/<name>/CURRENT, history.json                   the version that readers take, and all that it named
reviews/<sha256>.jsonl                                  answers of reviewers; nothing ever removes them
runs/<recipe>/                                          stages.json of the latest build, logs, report, contracts/
scratch/, lease.json                                    of the command that works here now
"""

from __future__ import annotations

import re
from pathlib import Path

MANIFEST, PUSHING = "_manifest.json", "_pushing.json"  # of a stage output: complete; complete, and on its way
SYNCED = "synced.json"  # which files of a cache both sides of a mirror had when they last met
VERSION_MANIFEST, CARD, CROISSANT = "manifest.json", "README.md", "croissant.json"  # of a published version
CURRENT, HISTORY = "CURRENT", "history.json"  # of a dataset
DATASET, POINTER = "dataset", "dataset.json"  # the output of publish, and its file that names a version
STAGES_FILE = "stages.json"  # the fingerprints of a recipe's latest build
DOCS, DOCS_INDEX = "contracts", "site/index.html"  # Data Docs, in the folder of a recipe's runs
LEASE, LEASE_GUARD, MIRROR_LOCK = "lease.json", ".lease.guard", ".mirror.lock"
VECTORS, SCORES, JOURNALS, TEACHERS, SHOTS = "embeddings", "scores", "replies", "teachers", "shots"  # kinds of caches
BODIES = "bodies"  # quantised bodies of encoders, in the caches
TRAINING = "training"  # checkpoints of models that are still trained
LEFT_BY_PUBLISH = (".partial-*", ".damaged-*", ".removed-*", f".{CURRENT}.*")

OUTPUT = re.compile(r"tables/[^/]+/[^/]+/")
RELEASE = re.compile(r"datasets/[^/]+/[^/.][^/]*/")
RUN = re.compile(r"runs/[^/]+/[^/]+\.json")
PUBLICATIONS = re.compile(r"datasets/[^/]+/(CURRENT|history\.json)")
SMALL = re.compile(
    rf"tables/[^/]+/[^/]+/{MANIFEST}|tables/publish/[^/]+/{DATASET}/{POINTER}"
    rf"|datasets/[^/]+/[^/.][^/]*/{VERSION_MANIFEST}|{RUN.pattern}|{PUBLICATIONS.pattern}"
)
REVIEW_NAME = re.compile(r"[0-9a-f]{64}\.jsonl")
REVIEW = re.compile(rf"reviews/{REVIEW_NAME.pattern}")
CACHE_FILE = re.compile(rf"cache/(?!{TRAINING}/)[^/]+/[^/]+/(?!synced\.json)[^/.][^/]*")
"""Names relative to a workspace, in which a mirror keeps both sides alike; SMALL are read whole."""


def output_folder(workspace: Path, stage: str, fingerprint: str) -> Path:
    """Return the directory of one stage output."""
    return workspace / "tables" / stage / fingerprint


def list_outputs(workspace: Path, stage: str = "*") -> list[Path]:
    """Return the directories of the stage outputs, complete or not."""
    return sorted((workspace / "tables").glob(f"{stage}/*/"))


def datasets_folder(workspace: Path) -> Path:
    """Return the directory of all datasets."""
    return workspace / "datasets"


def dataset_folder(workspace: Path, name: str) -> Path:
    """Return the directory of a dataset: its versions, CURRENT and history.json."""
    return datasets_folder(workspace) / name


def list_datasets(workspace: Path) -> list[Path]:
    """Return the directories of the datasets that were ever published."""
    return sorted(datasets_folder(workspace).glob("*/"))


def list_versions(dataset: Path) -> list[Path]:
    """Return the directories of a dataset's versions, complete or not."""
    return sorted(dataset.glob("[!.]*/"))


def cache_folder(workspace: Path, *parts: str) -> Path:
    """Return the folder of the caches, or of one kind."""
    return workspace.joinpath("cache", *parts)


def list_caches(workspace: Path) -> list[Path]:
    """Return the folders of caches of every kind."""
    return sorted(cache_folder(workspace).glob("*/*/"))


def runs_folder(workspace: Path) -> Path:
    """Return the folder of all recipes' runs: logs, reports, and which fingerprint each stage has."""
    return workspace / "runs"


def run_folder(workspace: Path, recipe: str) -> Path:
    """Return the folder of a recipe's runs."""
    return runs_folder(workspace) / recipe


def list_builds(workspace: Path, recipe: str = "*") -> list[Path]:
    """Return the file of the latest build of every recipe, or of one."""
    return sorted(runs_folder(workspace).glob(f"{recipe}/{STAGES_FILE}"))


def list_small_files(workspace: Path) -> list[Path]:
    """Return the small files of runs and datasets: what is told of builds, CURRENT and the histories."""
    found = [*workspace.glob("runs/*/*.json"), *workspace.glob("datasets/*/*")]
    return [path for path in found if path.is_file() and SMALL.fullmatch(path.relative_to(workspace).as_posix())]


def reviews_folder(workspace: Path) -> Path:
    """Return the folder of the answers of reviewers."""
    return workspace / "reviews"


def scratch_folder(workspace: Path) -> Path:
    """Return the folder of what running stages need for themselves."""
    return workspace / "scratch"
