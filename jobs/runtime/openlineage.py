"""OpenLineage events: a START and a COMPLETE or FAIL for every stage that runs, with what it read and what it wrote.

Where they go is said by OpenLineage's own settings: ``OPENLINEAGE_URL`` (HTTP), ``OPENLINEAGE_CONFIG`` (a file), or
``OPENLINEAGE__TRANSPORT__TYPE`` and its kin. Without any of them nothing is sent, and nothing of the library is loaded.
A catalogue that cannot be reached never fails a build: it is a warning in the log.

Source: OpenLineage 2.0, https://openlineage.io/docs/spec/run-cycle
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from schemas.table import Table

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset

PRODUCER = "urn:pairwright"
_PREFIX = "OPENLINEAGE_"
_log = logging.getLogger(__name__)


class Events:
    """The events of one run of a stage; ``keep_outputs`` is told what it wrote."""

    def __init__(self, job: str, workspace: str, inputs: Mapping[str, str]) -> None:
        """Take the job's name and the inputs: ``stage/table`` to fingerprint."""
        from openlineage.client import OpenLineageClient
        from openlineage.client.uuid import generate_new_uuid

        self._client = OpenLineageClient()
        self._run_id = str(generate_new_uuid())
        self._job, self._namespace, self._inputs = job, workspace, inputs
        self._wrote: tuple[Mapping[str, Any], Sequence[Table]] | None = None

    def keep_outputs(self, manifest: Mapping[str, Any], tables: Sequence[Table]) -> None:
        """Keep the manifest of the finished stage, whose outputs the last event describes."""
        self._wrote = manifest, tables

    def _describe_outputs(self) -> list[OutputDataset]:
        if self._wrote is None:
            return []
        manifest, tables = self._wrote
        from openlineage.client import event_v2 as lineage
        from openlineage.client import facet_v2 as facets

        found, columns = [], {table.name: table.columns for table in tables}
        for name, facts in manifest["outputs"].items():
            field = facets.schema_dataset.SchemaDatasetFacetFields
            fields = [field(name=each.name, type=each.type, description=each.doc) for each in columns.get(name, ())]
            files = facts["files"]
            statistics = facets.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                rowCount=facts.get("rows"), size=sum(file["bytes"] for file in files), fileCount=len(files)
            )
            version = facets.dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=manifest["fingerprint"])
            described: dict[str, Any] = {"version": version}
            if fields:
                described["schema"] = facets.schema_dataset.SchemaDatasetFacet(fields=fields)
            found.append(
                lineage.OutputDataset(
                    self._namespace,
                    f"{manifest['stage']}/{name}",
                    facets=described,
                    outputFacets={"outputStatistics": statistics},
                )
            )
        return found

    def send(self, state: str, error: BaseException | None = None) -> None:
        """Send one event; trouble on the way is logged, not raised."""
        try:
            from openlineage.client import event_v2 as lineage
            from openlineage.client import facet_v2 as facets

            run_facets: dict[str, Any] = {}
            if error is not None:
                run_facets["errorMessage"] = facets.error_message_run.ErrorMessageRunFacet(str(error), "PYTHON")
            self._client.emit(
                lineage.RunEvent(
                    eventType=lineage.RunState[state],
                    eventTime=datetime.now(UTC).isoformat(),
                    producer=PRODUCER,
                    run=lineage.Run(self._run_id, run_facets),
                    job=lineage.Job("pairwright", self._job),
                    inputs=self._describe_inputs(),
                    outputs=self._describe_outputs(),
                )
            )
        # Whatever the transport raises, the build goes on.
        except Exception as trouble:  # noqa: BLE001
            _log.warning("OpenLineage event %s of %s was not sent: %s", state, self._job, trouble)

    def _describe_inputs(self) -> list[InputDataset]:
        from openlineage.client import event_v2 as lineage
        from openlineage.client import facet_v2 as facets

        version = facets.dataset_version_dataset.DatasetVersionDatasetFacet
        return [
            lineage.InputDataset(self._namespace, name, facets={"version": version(datasetVersion=fingerprint)})
            for name, fingerprint in self._inputs.items()
        ]


@contextmanager
def send_events(job: str, workspace: str, inputs: Mapping[str, str]) -> Iterator[Events | None]:
    """Send the events of the block, which is one run of a stage; None where no catalogue is named or can be opened."""
    if not any(name.startswith(_PREFIX) for name in os.environ):
        yield None
        return
    events = None
    try:
        events = Events(job, workspace, inputs)
    except Exception as trouble:  # noqa: BLE001 - settings that OpenLineage does not take fail no build
        _log.warning("OpenLineage events of %s are not sent: %s", job, trouble)
    if events is None:
        yield None
        return
    events.send("START")
    try:
        yield events
    except Exception as error:
        events.send("FAIL", error)
        raise
    except BaseException:
        events.send("ABORT")
        raise
    events.send("COMPLETE")
