"""What is read of a journal is what was written, up to the first byte that is not."""

from __future__ import annotations

import io
import itertools

import pytest
from hypothesis import given, settings, strategies as st

from seawall_files.errors import DamagedJournalError, JournalError
from seawall_files.records import LONGEST, MAGIC, Kind, Reader, Record, packed, payload_of, preamble

records = st.lists(st.builds(Record, st.sampled_from(Kind), st.binary(max_size=60)), min_size=1, max_size=12)


def written(content: list[Record], version: int = 1) -> tuple[bytes, list[int]]:
    """The bytes of a journal, and where its preamble and each record end."""
    data, checksum = preamble(version)
    ends = [len(data)]
    for record in content:
        more, checksum = packed(record, checksum)
        data += more
        ends.append(len(data))
    return data, ends


def read(data: bytes) -> tuple[list[Record], Reader]:
    reader = Reader(io.BytesIO(data), "j")
    return list(reader), reader


def whole_before(ends: list[int], position: int) -> int:
    """How many records end before a position."""
    return sum(end <= position for end in ends[1:])


@given(records)
def test_what_is_written_is_read(content: list[Record]) -> None:
    data, ends = written(content)
    found, reader = read(data)
    assert found == content
    assert (reader.problem, reader.end, reader.count) == (None, ends[-1], len(content))


@given(records, st.data())
def test_reading_goes_on_with_what_is_written_after_it(content: list[Record], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(content)))
    first, _ = written(content[:cut])
    _, reader = read(first)
    checksum = reader.checksum
    for record in content[cut:]:
        more, checksum = packed(record, checksum)
        first += more
    assert read(first)[0] == content


@given(records, st.data())
def test_a_journal_that_is_cut_is_read_up_to_its_last_whole_record(
    content: list[Record], data: st.DataObject
) -> None:
    whole, ends = written(content)
    cut = data.draw(st.integers(ends[0], len(whole)))
    found, reader = read(whole[:cut])
    assert found == content[: whole_before(ends, cut)]
    assert reader.end == ends[len(found)]
    assert (reader.problem is None) == (cut == reader.end)


@settings(max_examples=300)
@given(records, st.data())
def test_a_bit_that_flipped_ends_what_is_read_before_its_record(
    content: list[Record], data: st.DataObject
) -> None:
    whole, ends = written(content)
    bit = data.draw(st.integers(ends[0] * 8, len(whole) * 8 - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    found, reader = read(bytes(flipped))
    assert found == content[: whole_before(ends, bit // 8)]
    assert f"record {len(found) + 1}, at byte {ends[len(found)]:,}, " in (reader.problem or "")


@given(records, st.binary(min_size=1, max_size=80), st.data())
def test_bytes_overwritten_by_others_end_what_is_read(
    content: list[Record], garbage: bytes, data: st.DataObject
) -> None:
    whole, ends = written(content)
    start = data.draw(st.integers(ends[0], len(whole)))
    damaged = whole[:start] + garbage + whole[start + len(garbage) :]
    found, _ = read(damaged)
    untouched = whole_before(ends, start)
    assert found[:untouched] == content[:untouched]
    if whole[start : start + len(garbage)] != garbage:
        assert found == content[:untouched]


@given(records, st.integers(1, 5000))
def test_zeros_at_the_end_are_no_records(content: list[Record], zeros: int) -> None:
    data, ends = written(content)
    found, reader = read(data + bytes(zeros))
    assert (found, reader.end) == (content, ends[-1])
    assert reader.problem


@given(st.lists(st.binary(max_size=20), min_size=3, max_size=8, unique=True), st.data())
def test_a_record_that_is_lost_repeated_or_moved_does_not_fit(
    payloads: list[bytes], data: st.DataObject
) -> None:
    whole, ends = written([Record(Kind.FRAMES, payload) for payload in payloads])
    parts = [whole[start:end] for start, end in itertools.pairwise(ends)]
    place = data.draw(st.integers(0, len(parts) - 2))
    for changed in (
        parts[:place] + parts[place + 1 :],
        [*parts[: place + 1], *parts[place:]],
        [*parts[:place], parts[place + 1], parts[place], *parts[place + 2 :]],
    ):
        found, reader = read(whole[: ends[0]] + b"".join(changed))
        assert [record.payload for record in found] == payloads[: len(found)]
        assert place <= len(found) <= place + 1
        assert reader.problem


@given(st.binary(max_size=40).filter(lambda data: not MAGIC.startswith(data[:8])))
def test_a_file_that_is_no_journal_is_refused(data: bytes) -> None:
    with pytest.raises(JournalError, match="is no journal of Seawall; move it away") as caught:
        read(data)
    assert not isinstance(caught.value, DamagedJournalError)


@pytest.mark.parametrize("version", [0, 2, 65_535])
def test_another_version_is_refused_and_not_taken_for_damage(version: int) -> None:
    data, _ = written([Record(Kind.HEADER, b"{}")], version)
    with pytest.raises(JournalError, match=f"has version {version} of the format") as caught:
        read(data)
    assert not isinstance(caught.value, DamagedJournalError)


@given(st.integers(8 * 8, 14 * 8 - 1))
def test_a_flipped_version_is_damage_and_not_another_version(bit: int) -> None:
    data = bytearray(preamble()[0])
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DamagedJournalError, match="damaged in its first bytes"):
        read(bytes(data))


@pytest.mark.parametrize("length", range(14))
def test_a_journal_that_is_cut_in_its_first_bytes_is_damaged(length: int) -> None:
    with pytest.raises(DamagedJournalError, match=f"ends after {length} bytes"):
        read(preamble()[0][:length])


@pytest.mark.parametrize(
    ("length", "is_asked_for"), [(LONGEST, True), (LONGEST + 1, False), (2**32 - 1, False)]
)
def test_a_length_that_no_record_has_takes_no_memory(length: int, is_asked_for: bool) -> None:
    class File(io.BytesIO):
        most = 0

        def read(self, size: int | None = -1) -> bytes:
            self.most = max(self.most, size or 0)
            return super().read(size)

    head = bytes([Kind.FRAMES]) + length.to_bytes(4, "big") + bytes(4)
    file = File(preamble()[0] + head)
    reader = Reader(file, "j")
    assert list(reader) == []
    assert reader.problem
    assert (file.most == length) == is_asked_for


def test_a_record_that_is_too_long_is_not_written() -> None:
    with pytest.raises(ValueError, match="67,108,864 bytes at most"):
        packed(Record(Kind.FRAMES, bytes(LONGEST + 1)), 0)


@given(st.dictionaries(st.text(), st.text(st.characters(), max_size=5) | st.integers() | st.none()))
def test_an_object_comes_back_from_its_payload(value: dict[str, object]) -> None:
    assert Record(Kind.HEADER, payload_of(value)).object() == value


def test_half_a_pair_as_names_of_files_have_comes_back() -> None:
    assert Record(Kind.HEADER, payload_of({"target": "caf\udce9"})).object() == {"target": "caf\udce9"}


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"{", b"\xff", b"1", pytest.param(b"[" * 100_000 + b"]" * 100_000, id="nested too deeply")],
)
def test_a_payload_that_is_no_object_is_a_value_error(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON object|Expecting|decode|nested too deeply"):
        Record(Kind.HEADER, payload).object()
