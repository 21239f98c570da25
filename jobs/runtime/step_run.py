"""One step alone: its stages one after the other, in a scratch folder that becomes ``--out`` at the end."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame

from jobs.runtime import registry
from jobs.runtime.artefacts import CLASSIFIER
from jobs.runtime.failures import explain_failure
from jobs.runtime.memory import PeakMemory
from jobs.runtime.stage import Progress
from jobs.runtime.stage_line import stage_line
from jobs.runtime.stage_run import StageRun
from jobs.runtime.step import Job, Step
from jobs.runtime.terminal import Terminal
from jobs.runtime.workspace import Workspace
from jobs.store.files import count_rows, describe_files, write_json
from jobs.store.layout import MANIFEST, runs_folder
from jobs.store.manifest import parse_manifest, read_small
from jobs.store.tables import Store, refuse_foreign
from pipeline.bucket.taxonomy import lay_out_domains
from pipeline.contract import frame_of, spark_schema
from pipeline.ingest.passages.passages import list_passages, put_passages
from schemas.documents import DOCUMENTS, DOMAINS, DUPLICATES, PASSAGES, REJECTS
from schemas.errors import EngineError, PairwrightError, RecipeError
from schemas.table import Table

_DROPPED = "dropped"


class StepRun(StageRun):
    """A stage's run whose inputs are what the stages before it left in other folders, or nothing."""

    def __init__(
        self, stage: str, workspace: Workspace, home: Path, tables: dict[str, Path], progress: Progress
    ) -> None:
        """Prepare a run into a folder; ``tables`` says where each table was written last."""
        super().__init__(registry.load_stage(stage), workspace, home, progress)
        self._tables = tables

    def read(self, table: Table) -> DataFrame:
        """Return a table that an earlier stage of the step wrote; an empty one where none did."""
        if table.name not in self._tables:
            return frame_of(self.spark, table, [])
        return self._read_frame(self._tables[table.name], table).select(*table.names)

    def write(self, frame: DataFrame, table: Table) -> Mapping[str, Any]:
        """Write a table, which the stages after this one read."""
        self._tables[table.name] = self.home / table.name
        return super().write(frame, table)


def run_step(job: Job, conf: Path | None, settings: Mapping[str, str]) -> str:
    """Run a step and return its line; a failure leaves ``--out`` as it was, and a log where something broke.

    Raises: RecipeError when ``--out`` is there and may not be replaced; PairwrightError of the stages.
    """
    out = job.out.resolve()
    _check_out(job)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise EngineError(f"cannot write to {out.parent}: {error.strerror}; try another --out") from error
    workspace = Workspace(job.recipe, Store(scratch), conf, settings)
    is_broken = False
    try:
        terminal = Terminal()
        with terminal.stage(job.name, workspace.logs / "step.log", workspace.count_tasks):
            manifest = _run(job, workspace, scratch, terminal.progress)
        if out.exists():
            out.replace(scratch / "replaced")
        (scratch / "out").replace(out)
    except PairwrightError:
        raise
    except Exception as error:
        is_broken = True
        raise explain_failure(error, job.name, workspace.logs) from error
    finally:
        workspace.stop_spark()
        for entry in scratch.iterdir():
            if not (is_broken and entry == runs_folder(scratch)):  # the logs
                shutil.rmtree(entry, ignore_errors=True)
        if not is_broken:
            shutil.rmtree(scratch, ignore_errors=True)
    start = manifest["seconds_to_start"]
    none = [table for name in job.step.stages for table in registry.load_stage(name).says_none]
    return f"{stage_line(job.name, manifest, True, none)}, after {start:.1f} s to start Spark -> {job.out}"


def _check_out(job: Job) -> None:
    out = job.out
    if out.exists() and not job.force:
        raise RecipeError(f"--out must be a new folder, got {out}, which exists; try --force to replace it")
    if out.exists() and not (out / MANIFEST).is_file():
        raise RecipeError(f"--out must be new, or what a step wrote, got {out}; try another folder")


def _run(job: Job, workspace: Workspace, scratch: Path, progress: Progress) -> dict[str, Any]:
    """Run the stages, gather what they wrote in ``scratch/out``, and return its manifest."""
    began = time.monotonic()
    workspace.spark()
    started = time.monotonic()
    tables = {} if job.table is None else _find_tables(job.table)
    notes: dict[str, Any] = {}
    with PeakMemory() as peak:
        first, *later = job.step.stages
        for stage in later if job.table and later else job.step.stages:
            run = StepRun(stage, workspace, scratch / stage, tables, progress)
            try:
                if stage == first and job.table:
                    _cut_again(run, job.step)
                else:
                    run.stage.run(run)
            finally:
                run.close()
            notes |= run.notes
        outputs = _gather(job, workspace, tables, scratch)
    manifest = {
        "step": job.name,
        "outputs": outputs,
        "notes": notes,
        "settings": _settings(job),
        "peak_mb": round(peak.mb),
        "seconds": round(time.monotonic() - started, 2),
        "seconds_to_start": round(started - began, 2),
    }
    write_json(scratch / "out" / MANIFEST, manifest)
    return manifest


def _settings(job: Job) -> dict[str, Any]:
    names = [name for name in job.step.sections if name not in ("clean", "source")]
    return {name: job.recipe.section(name) for name in [*names, "sources", "evaluation"]}


def _find_tables(folder: Path) -> dict[str, Path]:
    """Return the tables that lie at an earlier step's documents and that later stages read.

    Raises: ShardError when one holds a file that the step did not write.
    """
    beside = {table.name: folder.parent / table.name for table in (DUPLICATES,)}
    found = {DOCUMENTS.name: folder, **{name: path for name, path in beside.items() if path.is_dir()}}
    told = read_small(folder.parent / MANIFEST)
    if told is not None:
        outputs = parse_manifest(told, folder.parent / MANIFEST)["outputs"]
        for path in found.values():
            if path.name in outputs:
                refuse_foreign(path, outputs[path.name]["files"])
    return found


def _cut_again(run: StepRun, step: Step) -> None:
    """Cut documents that are read already. Raises: RecipeError where a model would have to be asked about them."""
    if run.recipe.passages.context:
        raise RecipeError(
            "passages.context must be off where documents are cut that another step wrote, got true; try "
            "the same command on the sources themselves"
        )
    documents = run.read(DOCUMENTS)
    assert step.cut is not None  # the steps without are refused earlier
    cut = step.cut(documents, run.recipe)
    try:
        run.write(list_passages(cut), PASSAGES)
        run.write(put_passages(documents, cut), DOCUMENTS)
    finally:
        cut.unpersist()


def _gather(job: Job, workspace: Workspace, tables: Mapping[str, Path], scratch: Path) -> dict[str, Any]:
    """Move what belongs to the step's result to ``scratch/out``, and return rows, reasons and files of each table."""
    out = scratch / "out"
    out.mkdir()
    if DOMAINS in job.step.tables:
        _write_by_domain(workspace, tables, out)
    else:
        tables[DOCUMENTS.name].replace(out / DOCUMENTS.name)
    for table in (*job.step.tables, REJECTS):
        home = tables.get(table.name)
        is_new = home is not None and home.is_relative_to(scratch)
        if home is not None and is_new and (table is not REJECTS or count_rows(home, False)["rows"]):
            home.replace(out / table.name)
    for model in scratch.glob(f"*/{CLASSIFIER}"):
        model.replace(out / CLASSIFIER)
    return {home.name: _describe(home) for home in sorted(out.iterdir())}


def _write_by_domain(workspace: Workspace, tables: Mapping[str, Path], out: Path) -> None:
    """Write the kept documents in a folder a domain, and the dropped ones, which have none, beside them."""
    read = workspace.spark().read
    documents, domains = (
        read.schema(spark_schema(table)).parquet(str(tables[table.name])) for table in (DOCUMENTS, DOMAINS)
    )
    laid = lay_out_domains(documents.select(*DOCUMENTS.names), domains)
    laid.write.partitionBy("domain").parquet(str(out / DOCUMENTS.name))
    dropped = documents.where("drop_reason is not null")
    if not dropped.isEmpty():
        dropped.write.parquet(str(out / _DROPPED))


def _describe(home: Path) -> dict[str, Any]:
    is_table = any(home.rglob("*.parquet"))
    rows = count_rows(home, home.name in (DOCUMENTS.name, _DROPPED)) if is_table else {}
    return {**rows, "files": describe_files(home)}
