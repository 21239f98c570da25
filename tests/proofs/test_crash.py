"""Builds are killed (SIGKILL) in every stage and taken up again; what they publish is what no kill ever touched.

A plain build measures how long each stage takes. Then one build is killed at several moments of every stage, each time
taken up again, and after each kill every output that a reader could see is read back against its checksums. Last, an
undisturbed build of another workspace, which is given the replies of the language model (only through their journal
are they reproducible), must publish the same dataset and train the same models, byte for byte.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from jobs.runtime.registry import STAGES
from jobs.runtime.workspace import Workspace
from jobs.store.tables import Store
from pipeline.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "jobs" / "recipes" / "pydocs-tiny.yaml"
MOMENTS = (0.1, 0.5, 0.9)  # shares of a stage's time


@dataclass(frozen=True)
class Kill:
    """When a stage was killed, and what taking it up again cost."""

    stage: str
    after: float
    again: float = 0.0


class Build:
    """A build in a process of its own, whose lines can be waited for."""

    def __init__(self, workspace: Path, until: str) -> None:
        command = [sys.executable, "-m", "jobs.cli", "build", str(RECIPE), "--workspace", str(workspace)]
        self.process = subprocess.Popen(
            [*command, "--until", until],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self.lines = self._read()

    def _read(self) -> Iterator[str]:
        assert self.process.stdout is not None
        yield from self.process.stdout

    def wait_for(self, word: str) -> None:
        """Read until a line begins with the word."""
        told = []
        for line in self.lines:
            told.append(line)
            if line.startswith(word):
                return
        raise AssertionError("".join(told))

    def finish(self) -> None:
        told = "".join(self.lines)
        assert self.process.wait() == 0, told

    def kill(self) -> None:
        """Kill the driver alone, as the kernel does when memory is short, and wait for what it had started to end."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        _, left = psutil.wait_procs(children, timeout=60)
        assert not left, f"still running after the driver was killed: {left}"


def seconds_of(workspace: Path) -> dict[str, float]:
    place = Workspace.open(load_recipe(RECIPE), workspace)
    return {name: float((place.manifest(name) or {})["seconds"]) for name in STAGES}


def see_no_partial_table(workspace: Path) -> None:
    """Read every visible output back against its checksums, and what CURRENT names."""
    store = Store(workspace)
    for manifest in workspace.glob("tables/*/*/_manifest.json"):
        stage, fingerprint = manifest.parent.parent.name, manifest.parent.name
        for output in (store.manifest(stage, fingerprint) or {})["outputs"]:
            store.open(stage, fingerprint, output)
    for pointer in workspace.glob("datasets/*/CURRENT"):
        assert (pointer.parent / pointer.read_text().strip() / "manifest.json").is_file()


def bytes_of(workspace: Path) -> dict[str, bytes]:
    """Return the published files and the weights of both models."""
    (version,) = [path for path in workspace.glob("datasets/*/*") if path.is_dir()]
    found = {path.relative_to(version).as_posix(): path.read_bytes() for path in version.rglob("*") if path.is_file()}
    for stage in ("train1", "train2"):
        (weights,) = workspace.glob(f"tables/{stage}/*/model/model.safetensors")
        found[stage] = weights.read_bytes()
    return found


def test_a_build_killed_in_every_stage_publishes_what_an_undisturbed_one_does(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, crashed, reference = tmp_path / "plain", tmp_path / "crashed", tmp_path / "reference"
    Build(plain, "report").finish()
    usual = seconds_of(plain)
    shutil.rmtree(plain)
    kills = []
    before = "recipe"
    for stage in STAGES:
        for moment in MOMENTS:
            build = Build(crashed, stage)
            build.wait_for(before)
            after = moment * usual[stage]
            time.sleep(after)
            if build.process.poll() is None:
                build.kill()
                see_no_partial_table(crashed)
                kills.append(Kill(stage, after))
        started = time.monotonic()
        Build(crashed, stage).finish()
        kills.append(Kill(stage, -1.0, time.monotonic() - started))
        before = stage
    Build(crashed, "report").finish()
    shutil.copytree(crashed / "cache" / "replies", reference / "cache" / "replies")
    Build(reference, "report").finish()

    _print_table(kills, usual, capsys)
    assert sum(kill.after >= 0 for kill in kills) >= 40
    assert (crashed / "runs" / "pydocs-tiny" / "report.html").is_file()
    left, right = bytes_of(crashed), bytes_of(reference)
    assert left.keys() == right.keys()
    assert [name for name in left if left[name] != right[name]] == []


def _print_table(kills: list[Kill], usual: dict[str, float], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{'stage':<12}{'usual s':>9}{'kills':>7}{'lost s (sum)':>14}{'last run, start-up in, s':>26}")
        for stage in STAGES:
            lost = [kill.after for kill in kills if kill.stage == stage and kill.after >= 0]
            again = next(kill.again for kill in kills if kill.stage == stage and kill.after < 0)
            print(f"{stage:<12}{usual[stage]:>9.1f}{len(lost):>7}{sum(lost):>14.1f}{again:>26.1f}")
