"""Packed files read as plain ones do, in pieces, and keep what comes before a break."""

import bz2
import gzip
import hashlib

import pyarrow as pa
import pytest

from pipeline.ingest.config import make_source
from pipeline.ingest.units import plan_units
from pipeline.readers.compression import PackError, open_unit

# Packs two to one, as text does.
LINES = b"".join(b"%s\n" % hashlib.sha1(b"%d" % n).hexdigest().encode() for n in range(100_000))


def zstd(data):
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(data)
    return packed.getvalue().to_pybytes()


PACKS = {"gz": gzip.compress, "bz2": bz2.compress, "zst": zstd}


def unpack(folder, raw, suffix, **settings):
    (folder / f"a.jsonl.{suffix}").write_bytes(raw)
    source = make_source(name="s", format="jsonl", path=str(folder), **settings)
    [unit] = plan_units([source])
    found = []
    with open_unit(unit, source) as handle:
        try:
            found.extend(iter(handle.readline, b""))
        except PackError as error:
            return found, error
    return found, None


@pytest.mark.parametrize("suffix", PACKS)
def test_a_file_of_several_packed_parts_reads_as_their_sum(tmp_path, suffix):
    found, error = unpack(tmp_path, PACKS[suffix](LINES) + PACKS[suffix](b"last\n"), suffix)

    assert error is None
    assert b"".join(found) == LINES + b"last\n"


@pytest.mark.parametrize("suffix", PACKS)
def test_lines_before_a_break_are_read(tmp_path, suffix):
    packed = PACKS[suffix](LINES) + PACKS[suffix](LINES)

    found, error = unpack(tmp_path, packed[: len(packed) * 3 // 4], suffix)

    assert error.reason == {"gz": "broken_gzip", "bz2": "broken_bzip2", "zst": "broken_zstd"}[suffix]
    assert len(found) > 50_000
    assert b"".join(found) == (LINES + LINES)[: sum(map(len, found))]


@pytest.mark.parametrize("suffix", PACKS)
def test_only_what_is_both_large_and_packed_beyond_reason_is_a_bomb(tmp_path, suffix):
    zeros = b"0" * (4 << 20)

    assert unpack(tmp_path, PACKS[suffix](zeros), suffix, max_unpacked=1 << 20)[1].reason == "bomb"
    assert unpack(tmp_path, PACKS[suffix](zeros), suffix, max_unpacked=4 << 20)[1] is None
    assert unpack(tmp_path, PACKS[suffix](LINES), suffix, max_unpacked=1 << 20)[1] is None
