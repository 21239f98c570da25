"""Fixtures for every test: one Spark session, frames from tuples, the models, the folder of public collections."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pyspark.sql import DataFrame, SparkSession

from jobs.spark.session import start_session
from pipeline.contract import frame_of
from schemas.table import Table
from tests.json_server import serve_json

Rows = Callable[..., DataFrame]

# PySpark ends a program whose main module has no file, like a worker of pytest-xdist: it takes it for its doctests.
if not hasattr(sys.modules["__main__"], "__file__"):
    sys.modules["__main__"].__file__ = __file__

# An example takes longer when the other file of the run computes beside it: time says nothing about the code.
settings.register_profile("pairwright", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pairwright")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest file, so that no worker waits for it at the end."""
    items.sort(key=lambda item: item.path.name != "test_end_to_end.py")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A local session with two cores and two shuffle partitions."""
    log = tmp_path_factory.mktemp("spark") / "spark.log"
    settings = {
        "spark.master": "local[2]",
        "spark.sql.shuffle.partitions": "2",
        "spark.default.parallelism": "2",
        "spark.ui.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",  # to compile a plan takes longer than to interpret it over ten rows
    }
    session = start_session("tests", log, extra=settings)
    yield session
    session.stop()


@pytest.fixture
def rows(spark: SparkSession) -> Rows:
    """Make a frame of a table from tuples in column order."""

    def make(table: Table, *values: tuple[object, ...]) -> DataFrame:
        return frame_of(spark, table, values)

    return make


@pytest.fixture(scope="session")
def collections() -> Path:
    """The folder of public collections; tests that want it skip where it is absent."""
    folder = Path(os.environ.get("PAIRWRIGHT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the public collections are not on this machine")
    return folder


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of the models that set-up made."""
    folder = Path(os.environ.get("PAIRWRIGHT_MODELS", Path(__file__).resolve().parents[1] / ".models"))
    if not (folder / "all-MiniLM-L6-v2").is_dir():
        pytest.skip("the models are not set up; run: make setup")
    return folder


@pytest.fixture(scope="session")
def server() -> Callable[..., AbstractContextManager[tuple[dict[str, str], list[str]]]]:
    """Play an OpenAI-compatible server: a context manager that takes what a body is answered, (status, text).

    It yields the settings of ``synthesise`` that name the server, and the prompts that it saw.
    """
    return play_server


@contextmanager
def play_server(answer: Callable[[dict[str, Any]], tuple[int, str]]) -> Iterator[tuple[dict[str, str], list[str]]]:
    seen: list[str] = []

    def respond(_: str, body: dict[str, Any], __: dict[str, str]) -> tuple[int, object, dict[str, str]]:
        seen.append(body["prompt"])
        status, text = answer(body)
        found = {"choices": [{"text": text, "finish_reason": "stop"}]} if status == 200 else {"error": text}
        return status, found, {}

    with serve_json(respond) as found:
        yield {"url": f"http://127.0.0.1:{found.server_port}/v1", "model_name": "m"}, seen
