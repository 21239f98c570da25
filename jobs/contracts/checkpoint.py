"""Great Expectations over Spark frames: suites that hold, or one error that names what does not, and a page a suite.

A suite is first asked only whether it holds. Great Expectations bundles that into one Spark aggregation (and one more
job for a key): a table costs one pass however many expectations it has. Only a suite that fails is run again, for
counts and for keys of rows that break it; so a good night pays nothing for samples. A frame of few rows is asked for
its columns in Spark, and for its values in this process: planning that aggregation takes longer than both.

    <folder>/suites, <folder>/results    what was expected and found, of the latest run of every suite
    <folder>/site/index.html             Data Docs: the same, to read

Nothing leaves the machine: the context is ephemeral, analytics and progress bars are off. No text gets into the pages:
samples are keys, and values only of columns that an expectation on values is about.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame

from jobs.store.layout import DOCS_INDEX
from schemas.errors import AuditError

SAMPLES = 5
_OF_COLUMNS = ("expect_table_columns_to_match_set", "expect_column_values_to_be_of_type")


@dataclass(frozen=True)
class Suite:
    """What is expected of one frame; ``keys`` name a row in the error, ``advice`` is the way out.

    ``few``: this process can hold the frame.
    """

    name: str
    keys: tuple[str, ...]
    frame: DataFrame | pd.DataFrame
    expectations: Sequence[Any]
    advice: str = ""
    few: bool = False


def run_checkpoint(stage: str, suites: Sequence[Suite], folder: Path) -> int:
    """Run the suites of a stage, write their Data Docs and return how many expectations held.

    Cost:   a Spark job a suite, and one for each key or reference.
    Raises: AuditError that names every expectation that did not hold, how often, and keys of rows that break it.
    """
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = _open_context(folder)
    now = datetime.now(UTC)
    faults: list[str] = []
    held, results = 0, []
    for suite in chain.from_iterable(map(_fetch, suites)):
        name = f"{stage}-{suite.name.replace(' ', '-')}"
        for old in (folder / "results" / name, folder / "site" / "validations" / name):
            shutil.rmtree(old, ignore_errors=True)
        result, place = _validate(context, name, suite, now)
        results += place
        held += sum(bool(each.success) for each in result.results)
        broken = [_fault(suite, each) for each in result.results if not each.success]
        faults += [*broken, suite.advice] if broken and suite.advice else broken
    context.build_data_docs(resource_identifiers=results)
    if faults:
        raise AuditError("; ".join([*faults, f"details: {folder / DOCS_INDEX}"]))
    return held


def _fetch(suite: Suite) -> list[Suite]:
    """Return the suite; one of few rows as two: Spark knows the types of its columns, pandas has its values."""
    if not suite.few or isinstance(suite.frame, pd.DataFrame):
        return [suite]
    shape = [each for each in suite.expectations if each.expectation_type in _OF_COLUMNS]
    values = [each for each in suite.expectations if each.expectation_type not in _OF_COLUMNS]
    fetched = replace(suite, frame=suite.frame.toPandas(), expectations=values)
    return [replace(suite, name=f"{suite.name} columns", expectations=shape), fetched] if shape else [fetched]


def _open_context(folder: Path) -> Any:
    """Return a context that lives as long as this checkpoint, with its results and pages in a folder."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    def files(name: str) -> dict[str, str]:
        return {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder / name)}

    defaults = InMemoryStoreBackendDefaults()
    stores = dict(defaults.stores)
    stores[defaults.expectations_store_name] = {"class_name": "ExpectationsStore", "store_backend": files("suites")}
    stores[defaults.validation_results_store_name] = {
        "class_name": "ValidationResultsStore",
        "store_backend": files("results"),
    }
    site = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": files("site"),
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "site_section_builders": {"profiling": "None"},
    }
    folder.mkdir(parents=True, exist_ok=True)
    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=defaults,
            stores=stores,
            data_docs_sites={"local_site": site},
            analytics_enabled=False,
            progress_bars=ProgressBarsConfig(globally=False),
        ),
    )
    context.enable_analytics(enable=False)
    return context


def _validate(context: Any, name: str, suite: Suite, now: datetime) -> tuple[Any, list[Any]]:
    """Ask whether a suite holds, and if not, once more for what breaks it; return the result and what to render."""
    import great_expectations as gx
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import ExpectationSuiteIdentifier

    sources = context.data_sources
    is_few = isinstance(suite.frame, pd.DataFrame)
    source = sources.add_pandas(name=name) if is_few else sources.add_spark(name=name, persist=False)
    batch = source.add_dataframe_asset(name=name).add_batch_definition_whole_dataframe(name=name)
    expected = context.suites.add_or_update(gx.ExpectationSuite(name=name, expectations=list(suite.expectations)))
    checked = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=expected))
    thorough = {
        "result_format": "SUMMARY",
        "partial_unexpected_count": SAMPLES,
        "unexpected_index_column_names": list(suite.keys),
    }
    for effort in ({"result_format": "BOOLEAN_ONLY"}, thorough):
        checkpoint = context.checkpoints.add(
            gx.Checkpoint(
                name=f"{name}-{effort['result_format']}", validation_definitions=[checked], result_format=effort
            )
        )
        outcome = checkpoint.run(
            batch_parameters={"dataframe": suite.frame}, run_id=RunIdentifier(run_name="latest", run_time=now)
        )
        ((place, result),) = outcome.run_results.items()
        if result.success:
            break
    return result, [ExpectationSuiteIdentifier(name=name), place]


def _fault(suite: Suite, result: Any) -> str:
    """Return one line: which expectation, of which column, broken how, by which rows."""
    config, found = result.expectation_config, result.result or {}
    column = config.kwargs.get("column") or ", ".join(config.kwargs.get("column_list", ())) or "rows"
    text = f"{suite.name} must satisfy {config.type} ({column})"
    if "unexpected_count" not in found:
        seen = found.get("observed_value", "an error: " + _exception(result))
        return f"{text}, got {seen}"
    sample = [
        " ".join(f"{key}={row[key]}" for key in suite.keys if key in row)
        for row in found.get("partial_unexpected_index_list") or ()
    ]
    values = found.get("partial_unexpected_list") or []
    shown = "; ".join(sample[:SAMPLES]) or str(values[:SAMPLES])
    value = f" (value {str(values[0])[:80]})" if values else ""
    return f"{text}, got {found['unexpected_count']} rows that do not, e.g. {shown}{value}"


def _exception(result: Any) -> str:
    return str((result.exception_info or {}).get("exception_message", "no result"))[:200]
