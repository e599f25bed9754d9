"""A chunk of the log in memory: valid ones pass, and faults are located."""

import struct
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chunks import STREAMS, Log, check, leaf, row

from registry.log import block, chunk, findings, merkle, row_form
from registry.log.leaf import encode


def found(report: findings.ChunkReport) -> list[tuple[str, int | None]]:
    return [(failure.check, failure.position) for failure in report.failures]


@settings(deadline=None)
@given(st.integers(1, 200))
def test_an_honest_stretch_gives_its_nodes_and_no_failure(size: int) -> None:
    log = Log(size)
    report = check(log.rows, 0, size)
    assert (found(report), report.nodes) == ([], log.peaks)
    joined = chunk.Joiner()
    joined.add(report)
    assert (joined.nodes, joined.failures) == (log.peaks, [])


@settings(deadline=None)
@given(st.integers(0, 600), st.integers(0, 600))
def test_the_rest_of_a_stretch_gives_the_same_nodes(one: int, other: int) -> None:
    start, size = sorted((one, other))
    log, before = Log(size), Log(start)
    middle = min(-(-start // chunk.GROUP) * chunk.GROUP, size)
    parts = (log.rows[start:middle], log.rows[middle:])
    groups = [p[at : at + chunk.GROUP] for p in parts for at in range(0, len(p), chunk.GROUP)]
    report = chunk.check_rows(groups, 0, size, start, before.peaks)
    assert (found(report), report.nodes) == ([], log.peaks)


@settings(deadline=None)
@given(st.integers(0, 99), st.integers(0, 7), st.data())
def test_whatever_bit_is_changed_something_is_found(
    position: int, bit: int, data: st.DataObject
) -> None:
    log = Log(100)
    original = log.rows[position]
    at = data.draw(st.integers(0, len(original) - 1))
    log.rows[position] = original[:at] + bytes([original[at] ^ 1 << bit]) + original[at + 1 :]
    report = check(log.rows, 0, 100)
    joined = chunk.Joiner()
    joined.add(report)
    assert report.failures or joined.failures or joined.nodes != log.peaks


@settings(deadline=None)
@given(st.sets(st.integers(0, 99), min_size=1, max_size=20))
def test_all_missing_positions_are_named_and_nothing_else(missing: set[int]) -> None:
    log = Log(100)
    rows = [one for position, one in enumerate(log.rows) if position not in missing]
    report = check(rows, 0, 100)
    named = [failure for failure in report.failures if failure.check == "positions"]
    starts = {position for position in missing if position - 1 not in missing}
    assert {failure.position for failure in named} == starts
    assert {failure.check for failure in report.failures} <= {"positions", "stream versions"}


def test_a_row_that_stands_twice_is_named() -> None:
    log = Log(8)
    rows = [*log.rows[:4], log.rows[3], *log.rows[4:]]
    assert found(check(rows, 0, 8)) == [("positions", 3)]


def test_failures_beyond_the_limit_are_counted() -> None:
    log = Log(300)
    rows = [one[:-1] + b"X" for one in log.rows]
    report = check(rows, 0, 300)
    assert len(report.failures) == findings.MAX_FAILURES
    assert report.more_failures == 300 - findings.MAX_FAILURES


@pytest.fixture
def small_stretches(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(chunk, "CHUNK", 8)
    monkeypatch.setattr(chunk, "CHUNK_LEVEL", 3)
    return 8


def stretches(rows: list[bytes], size: int) -> tuple[chunk.Joiner, list[findings.Failure]]:
    joined, failures = chunk.Joiner(), []
    for first in range(0, len(rows), size):
        part = rows[first : first + size]
        report = check(part, first, first + len(part))
        failures += report.failures
        joined.add(report)
    return joined, failures + joined.failures


@pytest.mark.parametrize("size", [8, 9, 16, 50, 64, 100])
def test_stretches_are_put_together_to_the_whole_tree(small_stretches: int, size: int) -> None:
    log = Log(size)
    joined, failures = stretches(log.rows, small_stretches)
    assert (joined.nodes, failures) == (log.peaks, [])


@pytest.mark.parametrize("position", [15, 31, 47, 63])
def test_a_wrong_root_above_the_stretches_is_named(small_stretches: int, position: int) -> None:
    log = Log(64)
    at = log.rows[position].index(struct.pack(">h", len(row_form.SELECTED))) + 42 + 20
    roots = (len(bin(position + 1)) - len(bin(position + 1).rstrip("0"))) * 36
    last = at + roots - 1
    changed = log.rows[position]
    log.rows[position] = changed[:last] + bytes([changed[last] ^ 1]) + changed[last + 1 :]
    _, failures = stretches(log.rows, small_stretches)
    assert ("subtree roots", position) in [(f.check, f.position) for f in failures]


def test_a_stream_that_skips_a_version_between_stretches_is_named(small_stretches: int) -> None:
    versions: dict[uuid.UUID, int] = {}
    peaks: list[bytes] = []
    rows = []
    for position in range(16):
        if position == 12:
            versions[STREAMS[0]] += 1
        raw = encode(leaf(position, versions, STREAMS[0 if position % 12 == 0 else 1]))
        digest = merkle.leaf_hash(raw)
        rows.append(row(raw, digest, merkle.grow(peaks, position, digest)))
    _, failures = stretches(rows, small_stretches)
    assert [(f.check, f.position) for f in failures] == [("stream versions", 12)]


def test_a_row_that_ends_too_soon_is_named() -> None:
    log = Log(8)
    log.rows[5] = log.rows[5][:60]
    assert ("rows", 5) in found(check(log.rows, 0, 8))


SIZE = 3 * (block.ROWS + 1) + 40
"""Some blocks, and a part of one."""


@pytest.mark.parametrize(
    "position", [0, 1, block.ROWS - 1, block.ROWS, block.ROWS + 1, 2 * block.ROWS, SIZE - 1]
)
def test_a_fault_in_any_place_of_a_block_is_named_where_it_is(position: int) -> None:
    log = Log(SIZE)
    log.rows[position] = log.rows[position][:-1] + b"X"
    report = check(log.rows, 0, SIZE)
    assert found(report) == [("leaf hashes", position)]
    assert report.nodes == log.peaks


def test_blocks_in_a_row_give_the_whole_tree_without_a_look_at_each_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[bytes] = []
    check_one = chunk._RowByRow._check

    def noted(rows: chunk._RowByRow, row: bytes) -> None:
        looked_at.append(row)
        check_one(rows, row)

    monkeypatch.setattr(chunk._RowByRow, "_check", noted)
    log = Log(SIZE)
    report = check(log.rows, 0, SIZE)
    assert (found(report), report.nodes) == ([], log.peaks)
    # The last row of each whole block, which has roots of larger subtrees too.
    assert looked_at == log.rows[block.ROWS : SIZE : block.ROWS + 1]


def sealed(data: bytes) -> list[tuple[int, bytes]] | list[tuple[int, str]]:
    """What is noted about an event with this data, by way of a block."""
    one = leaf(0, {}, STREAMS[0])._replace(event_type="CredentialAdded", data=data.decode())
    raw = encode(one)
    report = check([row(raw, merkle.leaf_hash(raw), [])], 0, 1)
    return report.sealed or [(failure.position or 0, failure.check) for failure in report.failures]


KEY, CREDENTIAL = str(uuid.UUID(int=7)), str(uuid.UUID(int=8))
USUAL = (
    f'{{"credential_id":"{CREDENTIAL}","exchange":"aster","exchange_id":2,'
    f'"subaccount_index":null,"permission":"full","version":3,"data_key_id":"{KEY}","tokens":{{}}}}'
)


FULL = (
    f'{USUAL[:-1].removesuffix("{}")}{{"api_key":"gAAA-_==","secret_key":"gBBB"}},'
    f'"fingerprints":{{"api_key":"0f","secret_key":"1e"}},"label":"main"}}'
)
"""As this program writes it."""


@pytest.mark.parametrize(
    "data",
    [
        USUAL,
        FULL,
        FULL.replace('"label":"main"', '"expires_at":"2027-01-01T00:00:00Z"'),
        FULL.replace('"main"', '"a \\"data_key_id\\":\\"no\\" word"'),
        FULL.replace('"label":"main"', '"ip_allow_list":["10.0.0.1"],"is_active":false'),
        FULL.replace('"gBBB"', '{"data_key_id":"no"}'),
        FULL.replace('"gBBB"', '"}","data_key_id":"no"'),
        FULL.replace('"label":"main"', f'"data_key_id":"{KEY}"'),
        USUAL.replace(":", ": "),
        f'{USUAL[:-1]},"label":"a \\"quoted\\" word"}}',
        USUAL.replace("data_key_id", "data\\u005fkey_id"),
        f'{{"x":{{"version":9,"data_key_id":"no"}},{USUAL[1:]}',
        f'{USUAL[:-1]},"data_key_id":"{KEY}"}}',
        f'{{"version":3,"data_key_id":"{KEY}","credential_id":"{CREDENTIAL}"}}',
    ],
)
def test_however_the_data_is_written_its_data_key_is_the_one_that_a_parser_finds(data: str) -> None:
    assert sealed(data.encode()) == [(0, f"{KEY}\t{CREDENTIAL}\t3\n".encode())]


@pytest.mark.parametrize(
    "again", ['"data_key_id":"{}"', '"label":"x","data_key_id":"{}"', '"data\\u005fkey_id":"{}"']
)
@pytest.mark.parametrize("before", [USUAL, FULL])
def test_of_a_name_that_stands_twice_the_last_counts_as_for_the_program(
    before: str, again: str
) -> None:
    other = str(uuid.UUID(int=9))
    data = f"{before[:-1]},{again.format(other)}}}"
    assert sealed(data.encode()) == [(0, f"{other}\t{CREDENTIAL}\t3\n".encode())]


@pytest.mark.parametrize("data", ["{}", "[1]", f'{{"x":{USUAL}}}', USUAL.replace("data_", "")])
def test_data_that_names_no_data_key_is_a_fault(data: str) -> None:
    assert sealed(data.encode()) == [(0, "data keys")]
