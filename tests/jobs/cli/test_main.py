"""The command line: what it says of itself, what it ends with, and that every failure is one line."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from jobs.cli import commands
from jobs.cli import main as module
from jobs.cli.main import COMMANDS, main
from jobs.cli.steps import STEPS
from schemas.errors import AuditError, EngineError, RecipeError


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Run the command in this process; return its exit status, what it printed and what it complained of."""
    monkeypatch.setenv("COLUMNS", "100")

    def run(*argv: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(argv)
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def test_without_arguments_the_help_names_every_command_and_fits_a_hundred_columns(call) -> None:
    status, said, complaint = call()
    assert (status, complaint) == (0, "")
    assert call("--help")[:2] == (0, said)
    for name in [*(function.__name__ for function, _ in COMMANDS), *STEPS]:
        assert f"\n  {name} " in said
    assert max(map(len, said.splitlines())) <= 100
    assert "..." not in said.split("examples:")[0].split("Commands:")[1], "a command's line is cut"


@pytest.mark.parametrize("name", [*(function.__name__ for function, _ in COMMANDS), *STEPS])
def test_every_command_has_a_help_with_an_example(call, name: str) -> None:
    status, said, _ = call(name, "--help")
    assert status == 0
    assert "example:\n    pairwright " in said


def test_the_version_is_said(call) -> None:
    assert call("--version")[0] == 0
    assert call("--version")[1].startswith("pairwright ")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["buidl", "my.yaml"], "Did you mean 'build'?"),
        (["build"], "Missing argument 'RECIPE'"),
        (["build", "my.yaml", "--until", "dedup"], "did you mean dedupe?"),
        (["build", "my.yaml", "--workspce", "w"], "--workspace"),
        (["stage", "asemble", "my.yaml"], "did you mean assemble?"),
        (["clean", "x", "--out", "y", "--format", "jsnl"], "did you mean jsonl?"),
        (["dedupe", "x"], "Missing option '--out'"),
        (["guard", "x", "--out", "y"], "Missing option '--against'"),
        (["recipe"], "recipe needs a file, --schema or --stages"),
    ],
)
def test_wrong_arguments_end_with_2_and_the_way_out(call, argv: list[str], words: str) -> None:
    status, said, complaint = call(*argv)
    assert (status, said) == (2, "")
    assert words in complaint


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (EngineError("no Java; try: pairwright doctor"), 1, "pairwright: no Java; try: pairwright doctor\n"),
        (RecipeError(["a must be b, got c", "d must be e, got f"]), 1, "pairwright: a must be b, got c\npairwright: d"),
        (AuditError("examples must hold"), 4, "pairwright: examples must hold\n"),
        (KeyboardInterrupt(), 130, ""),
        (ValueError("odd\nand long"), 1, "pairwright: ValueError: odd and long (details: "),
    ],
)
def test_every_failure_has_its_status_and_no_traceback(
    call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException, status: int, words: str
) -> None:
    def doctor() -> int:
        """Fail."""
        raise error

    monkeypatch.setattr(module, "COMMANDS", ((doctor, "pairwright doctor"),))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended, said, complaint = call("doctor")
    assert (ended, said) == (status, "")
    assert complaint.startswith(words)
    assert "Traceback" not in complaint
    assert len(list(tmp_path.iterdir())) == isinstance(error, ValueError)


def test_a_reader_that_leaves_is_no_failure() -> None:
    done = subprocess.run(
        f"{sys.executable} -m jobs.cli recipe --schema | head -c 1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        cwd=Path(__file__).parents[3],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""


def test_the_stages_are_printed_for_schedulers(call) -> None:
    assert call("recipe", "--stages")[1].split() == list(commands.registry.STAGES)
