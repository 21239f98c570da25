"""What NumPy must not use of this machine's processor: AVX-512 of AMD's Zen 4.

NumPy takes the widest instructions that it finds. Its AVX-512 sort stores with an instruction that Zen 4 runs as
microcode: there a sort of a million 64-bit numbers takes five times as long as with AVX2, and shingles, bands and
features are sorted all the time. Java leaves AVX-512 out on the same processors for the same reason.
Source: numpy/x86-simd-sort issue 6; OpenJDK change 8317976.
"""

from __future__ import annotations

import os
from pathlib import Path

_CHOICE = "NPY_DISABLE_CPU_FEATURES"  # NumPy reads it once, when it is imported
_AVX512 = "X86_V4 AVX512_ICL"  # as NumPy 2.4 calls what Zen 4 has of it; one that it does not know it ignores
_ENOUGH = 4096  # bytes: the first core


def leave_out_avx512(cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Have NumPy, imported later here or in a child, sort with AVX2 on Zen 4; not where the variable is set already."""
    if _CHOICE not in os.environ and _is_zen4(cpuinfo):
        os.environ[_CHOICE] = _AVX512


def _is_zen4(cpuinfo: Path) -> bool:
    try:
        with cpuinfo.open(encoding="ascii", errors="replace") as lines:
            text = lines.read(_ENOUGH)
    except OSError:  # not Linux
        return False
    core = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    facts = {name.strip(): value.split() for name, value in core.items()}
    # Family 25 is Zen 3, which has no AVX-512, and Zen 4.
    return (
        facts.get("vendor_id") == ["AuthenticAMD"]
        and facts.get("cpu family") == ["25"]
        and "avx512f" in facts.get("flags", [])
    )
