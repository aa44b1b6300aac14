"""What the operating system knows of this process."""

from pathlib import Path

import pytest

from mprism.http.process import memory_bytes, peak_memory_bytes


def test_resident_memory_grows_with_what_is_held() -> None:
    before = memory_bytes()
    held = bytearray(b"x") * 40_000_000
    grown = memory_bytes() - before
    assert 35_000_000 < grown < 60_000_000
    assert len(held) == 40_000_000


def test_the_second_field_counts_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getpagesize", lambda: 16_384)
    statm = tmp_path / "statm"
    statm.write_text("5000 300 200 1 0 400 0\n")
    assert memory_bytes(statm) == 300 * 16_384


def test_the_peak_stands_in_where_there_is_no_proc(tmp_path: Path) -> None:
    assert memory_bytes(tmp_path / "statm") == peak_memory_bytes() >= 10_000_000
