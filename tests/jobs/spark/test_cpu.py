"""NumPy sorts without AVX-512 on the one family of processors where that is slow, and nowhere else."""

import os
import subprocess
import sys

import pytest

from jobs.spark.cpu import leave_out_avx512

CORE = """processor\t: 0
vendor_id\t: {vendor}
cpu family\t: {family}
model name\t: some core
flags\t\t: fpu vme sse2 avx avx2 {flags}
bugs\t\t:

processor\t: 1
"""


@pytest.fixture
def chosen(monkeypatch, tmp_path):
    """Return what is left out on a machine of which /proc/cpuinfo says this; None: there is no such file."""

    def choose(cpuinfo: str | None) -> str | None:
        path = tmp_path / "cpuinfo"
        path.unlink(missing_ok=True)
        if cpuinfo is not None:
            path.write_text(cpuinfo, encoding="utf-8")
        leave_out_avx512(path)
        return os.environ.get("NPY_DISABLE_CPU_FEATURES")

    monkeypatch.setattr(os, "environ", {})
    return choose


def test_zen_4_goes_without_avx512(chosen):
    assert chosen(CORE.format(vendor="AuthenticAMD", family=25, flags="avx512f avx512_vbmi2")) == "X86_V4 AVX512_ICL"


@pytest.mark.parametrize(
    "cpuinfo",
    [
        CORE.format(vendor="AuthenticAMD", family=25, flags=""),  # Zen 3
        CORE.format(vendor="AuthenticAMD", family=26, flags="avx512f"),  # Zen 5
        CORE.format(vendor="GenuineIntel", family=6, flags="avx512f"),
        "processor\t: 0\nFeatures\t: fp asimd\n",  # Arm
        "",
        None,
    ],
)
def test_no_other_machine_does(chosen, cpuinfo):
    assert chosen(cpuinfo) is None


def test_what_the_user_has_set_stays(chosen):
    os.environ["NPY_DISABLE_CPU_FEATURES"] = ""
    assert chosen(CORE.format(vendor="AuthenticAMD", family=25, flags="avx512f")) == ""


def test_numpy_knows_what_it_is_to_leave_out_and_is_not_there_before():
    code = """
import platform, sys, jobs.spark.workers
assert "numpy" not in sys.modules
from numpy._core._multiarray_umath import __cpu_features__ as features
if platform.machine() == "x86_64":
    assert not features["X86_V4"] and not features["AVX512_ICL"]
"""
    given = os.environ | {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=given, check=True)
