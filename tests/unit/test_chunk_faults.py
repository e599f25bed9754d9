"""What a check of a chunk says of each fault, word by word, and with what it goes on."""

import struct
import uuid

import pytest
from support.chunks import STREAMS, Log, check, leaf, row

from registry.log import block, chunk, findings, merkle
from registry.log.findings import ChunkReport, Failure, LoggedVersion
from registry.log.leaf import Leaf, encode

WRONG = bytes(32)


def said(report: ChunkReport) -> list[str]:
    return [str(failure) for failure in report.failures]


# ---------------------------------------------------------------- texts


def test_a_failure_names_its_position_if_it_has_one() -> None:
    assert str(Failure("head", "it is gone")) == "head: it is gone"
    assert str(Failure("rows", "it is short", 0)) == "rows: position 0: it is short"


@pytest.mark.parametrize(
    ("missing", "texts"),
    [
        ({3}, ["positions: position 3: position 3 is missing"]),
        ({3, 4}, ["positions: position 3: positions 3 to 4 are missing"]),
        (
            {0, 1, 2, 5},
            [
                "positions: position 0: positions 0 to 2 are missing",
                "positions: position 5: position 5 is missing",
            ],
        ),
        ({6, 7}, ["positions: position 6: positions 6 to 7 are missing"]),
    ],
)
def test_missing_events_are_named_in_one_sentence(missing: set[int], texts: list[str]) -> None:
    log = Log(8)
    report = check([log.rows[at] for at in range(8) if at not in missing], 0, 8)
    assert [text for text in said(report) if text.startswith("positions")] == texts


def test_a_row_that_ends_too_soon_is_named_by_the_one_before_it() -> None:
    log = Log(8)
    log.rows[5] = log.rows[5][:60]
    assert said(check(log.rows, 0, 8))[:2] == [
        "rows: position 5: the row after position 4 is malformed",
        "positions: position 5: position 5 is missing",
    ]


def test_a_row_that_stands_twice_is_named() -> None:
    log = Log(8)
    rows = [*log.rows[:4], *log.rows[3:]]
    assert said(check(rows, 0, 8)) == ["positions: position 3: position 3 stands twice"]


def test_an_event_that_was_changed_is_named() -> None:
    log = Log(8)
    log.rows[2] = log.rows[2][:-1] + b"X"
    (text,) = said(check(log.rows, 0, 8))
    assert text == "leaf hashes: position 2: the event is not what was recorded"


# ---------------------------------------------------------------- roots


@pytest.mark.parametrize(
    ("level", "text"),
    [
        (0, "the root over positions 6 to 7 does not follow from them"),
        (1, "the root over positions 4 to 7 does not follow from them"),
        (2, "the root over positions 0 to 7 does not follow from them"),
    ],
)
def test_a_wrong_root_is_named_once_at_the_lowest_place(level: int, text: str) -> None:
    log = Log(8)
    # Larger roots are computed from it, as whoever changes a log would do.
    log.with_roots(7, [*log.roots[7][:level], *[WRONG] * (3 - level)])
    report = check(log.rows, 0, 8)
    assert said(report) == [f"subtree roots: position 7: {text}"]
    assert report.nodes == [WRONG]


@pytest.mark.parametrize("roots", [[], [WRONG], [WRONG] * 3])
def test_roots_too_few_or_too_many_are_named_and_none_of_them_is_used(roots: list[bytes]) -> None:
    log = Log(6)
    log.with_roots(3, roots)
    report = check(log.rows, 0, 6)
    assert said(report) == ["subtree roots: position 3: the stored subtree roots are malformed"]
    assert report.nodes == [None, log.peaks[1]]


def test_a_leaf_that_completes_nothing_and_has_roots_is_named_and_counts() -> None:
    log = Log(5)
    log.with_roots(4, [WRONG])
    report = check(log.rows, 0, 5)
    assert said(report) == ["subtree roots: position 4: the stored subtree roots are malformed"]
    assert report.nodes == log.peaks


@pytest.mark.parametrize(
    ("size", "missing", "known"),
    [
        (6, {4}, [True, True]),  # the row of 5 has the root
        (6, {5}, [True, False]),
        (7, {4, 5}, [True, False, True]),
        (8, {0, 1, 2, 3, 4, 5, 6}, [True]),
        (8, {7}, [False]),
    ],
)
def test_where_rows_are_missing_a_stored_root_is_used(
    size: int, missing: set[int], known: list[bool]
) -> None:
    log = Log(size)
    report = check([log.rows[at] for at in range(size) if at not in missing], 0, size)
    wanted = [peak if here else None for peak, here in zip(log.peaks, known, strict=True)]
    assert report.nodes == wanted


# ---------------------------------------------------------------- streams


def numbered(*versions: int) -> Log:
    """A log of one stream with these versions, whose hashes are right."""
    return Log.of(
        [
            leaf(position, {STREAMS[1]: version - 1}, STREAMS[1])
            for position, version in enumerate(versions)
        ]
    )


@pytest.mark.parametrize("group", [1, chunk.GROUP])
def test_a_stream_that_jumps_or_goes_back_is_named(
    group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk, "GROUP", group)
    log = numbered(1, 2, 4, 5, 5, 4)
    report = check(log.rows, 0, 6)
    text = "stream versions: position {}: version {} of account {} comes after version {}"
    wrong = [(2, 4, 2), (4, 5, 5), (5, 4, 5)]
    assert said(report) == [text.format(p, v, STREAMS[1], last) for p, v, last in wrong]
    ((stream, place),) = report.first_versions.items()
    assert (place, report.last_versions) == ((1, 0), {stream: 4})


def test_row_by_row_a_stream_that_jumps_is_named_too() -> None:
    log = numbered(1, 2, 4)
    log.rows[0] = log.rows[0][:-1] + b"X"
    assert [failure.check for failure in check(log.rows, 0, 3).failures] == [
        "leaf hashes",
        "stream versions",
    ]


# ---------------------------------------------------------------- data keys


def of_type(event_type: str, data: str, position: int = 0) -> Leaf:
    stream = STREAMS[position % len(STREAMS)]
    return leaf(position, {}, stream)._replace(event_type=event_type, data=data)


def test_data_keys_that_were_destroyed_on_purpose_are_noted() -> None:
    data = '{"data_key_ids":["a","b"]}'
    report = check(Log.of([of_type("CredentialSecretsDestroyed", data)]).rows, 0, 1)
    assert (said(report), report.destroyed) == ([], {"a", "b"})


@pytest.mark.parametrize("event_type", ["CredentialSecretsDestroyed", "CredentialAdded"])
def test_an_event_that_does_not_name_its_data_key_is_named(event_type: str) -> None:
    rows = Log.of([of_type("AccountUpdated", "{}"), of_type(event_type, "{}", 1)]).rows
    wanted = ["data keys: position 1: the event does not name its data key"]
    assert said(check(rows, 0, 2)) == wanted
    # Row by row too, after a fault.
    rows[0] = rows[0][:-1] + b"X"
    assert said(check(rows, 0, 2))[1:] == wanted


def test_what_is_noted_of_a_data_key_row_by_row_is_what_a_block_notes() -> None:
    data = '{"data_key_id":"k","credential_id":"c","version":3}'
    rows = Log.of([of_type("AccountUpdated", "{}"), of_type("CredentialReplaced", data, 1)]).rows
    whole = check(rows, 0, 2)
    rows[0] = rows[0][:-1] + b"X"
    assert check(rows, 0, 2).sealed == whole.sealed == [(1, b"k\tc\t3\n")]
    assert LoggedVersion.of(*whole.sealed[0]) == LoggedVersion(1, "k", "c", 3)


# ---------------------------------------------------------------- blocks


def test_a_block_whose_hashes_are_right_and_whose_positions_are_others_is_not_taken() -> None:
    log = Log(20)
    shifted = Log.of([one._replace(position=one.position + 1) for one in log.leaves])
    report = check(shifted.rows, 0, 20)
    assert said(report)[0] == "positions: position 0: position 0 is missing"


def test_a_block_whose_hashes_are_right_and_whose_fields_cannot_be_read_is_not_taken() -> None:
    raw = encode(Log(1).leaves[0])[:30]
    report = check([row(raw, merkle.leaf_hash(raw), [])], 0, 1)
    assert said(report)[0] == "rows: position 0: the row after position -1 is malformed"


def test_after_a_fault_no_block_is_taken_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: list[int] = []
    check_block = block.check_block

    def noted(report: ChunkReport, first: int, rows: list[bytes]) -> bool:
        blocks.append(first)
        return check_block(report, first, rows)

    monkeypatch.setattr(block, "check_block", noted)
    log = Log(3 * chunk.GROUP)
    log.rows[chunk.GROUP] = log.rows[chunk.GROUP][:-1] + b"X"
    check(log.rows, 0, len(log.rows))
    assert blocks == [0, chunk.GROUP]


def test_rows_that_are_no_log_at_all_raise_nothing() -> None:
    for rows in ([b""], [b"\xff" * 200], [struct.pack(">h", 19) * 99]):
        assert said(check(rows, 0, 1))[0].startswith("rows: position 0")


# ---------------------------------------------------------------- across chunks


@pytest.fixture
def chunks_of_8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk, "CHUNK", 8)
    monkeypatch.setattr(chunk, "CHUNK_LEVEL", 3)


def joined(rows: list[bytes]) -> tuple[chunk.Joiner, list[str]]:
    """The joiner of chunks of eight rows, and what each chunk's own check has said."""
    joiner, texts = chunk.Joiner(), []
    for first in range(0, len(rows), 8):
        report = check(rows[first : first + 8], first, first + len(rows[first : first + 8]))
        texts += said(report)
        joiner.add(report)
    return joiner, texts


@pytest.mark.usefixtures("chunks_of_8")
@pytest.mark.parametrize(
    ("level", "text"),
    [
        (3, "the root over positions 16 to 31 does not follow from them"),
        (4, "the root over positions 0 to 31 does not follow from them"),
    ],
)
def test_a_wrong_root_above_chunks_is_named_by_its_range(level: int, text: str) -> None:
    log = Log(32)
    log.with_roots(31, [*log.roots[31][:level], WRONG, *log.roots[31][level + 1 :]])
    joiner, texts = joined(log.rows)
    assert texts == []
    assert str(joiner.failures[0]) == f"subtree roots: position 31: {text}"


@pytest.mark.usefixtures("chunks_of_8")
def test_a_missing_root_above_chunks_is_named_and_what_follows_is_not_blamed() -> None:
    log = Log(32)
    log.with_roots(15, log.roots[15][:3])
    joiner, texts = joined(log.rows)
    wrong = "subtree roots: position 15: the root over positions 0 to 15 does not follow from them"
    assert (texts, [str(failure) for failure in joiner.failures]) == ([], [wrong])
    assert joiner.nodes == log.peaks


@pytest.mark.usefixtures("chunks_of_8")
def test_a_stream_that_jumps_between_chunks_is_named() -> None:
    log = numbered(*range(1, 9), *range(12, 20))
    joiner, texts = joined(log.rows)
    wrong = f"version 12 of account {STREAMS[1]} comes after version 8"
    assert (texts, [str(failure) for failure in joiner.failures]) == (
        [],
        [f"stream versions: position 8: {wrong}"],
    )


@pytest.mark.usefixtures("chunks_of_8")
def test_a_stream_that_begins_with_another_version_is_named() -> None:
    joiner, _ = joined(numbered(2, 3).rows)
    wrong = f"version 2 of account {STREAMS[1]} comes after version 0"
    assert [str(failure) for failure in joiner.failures] == [
        f"stream versions: position 0: {wrong}"
    ]


def test_the_name_of_a_stream_that_is_no_text_is_shown_all_the_same() -> None:
    stream = b"\xff" + struct.pack(">i", 16) + uuid.UUID(int=1).bytes
    assert findings.wrong_version(stream, 2, 0) == (
        f"version 2 of \ufffd {uuid.UUID(int=1)} comes after version 0"
    )


@pytest.mark.parametrize("stream_type", ["account", "exchange", "registry"])
def test_a_block_notes_what_is_noted_row_by_row_whatever_its_streams_are_called(
    stream_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = '{"data_key_id":"k","credential_id":"c","version":3}'
    destroyed = '{"data_key_ids":["a"]}'
    leaves = [
        *Log(4).leaves,
        of_type("CredentialAdded", data, 4)._replace(stream_id=uuid.UUID(int=90)),
        of_type("CredentialReplaced", data, 5)._replace(stream_id=uuid.UUID(int=91)),
        of_type("CredentialSecretsDestroyed", destroyed, 6)._replace(stream_id=uuid.UUID(int=92)),
    ]
    rows = Log.of([*leaves[:2], *(e._replace(stream_type=stream_type) for e in leaves[2:])]).rows
    by_block = check(rows, 0, len(rows))
    monkeypatch.setattr(block, "check_block", lambda *_: False)
    assert by_block == check(rows, 0, len(rows))
    assert (len(by_block.sealed), by_block.destroyed) == (2, {"a"})


def test_a_row_whose_zero_byte_is_no_single_byte_is_malformed() -> None:
    log = Log(2)
    at = len(log.rows[0]) - len(encode(log.leaves[0])) - 2  # the end of its length
    assert log.rows[0][at : at + 2] == b"\x01\x00"
    log.rows[0] = log.rows[0][:at] + b"\x02" + log.rows[0][at + 1 :]
    assert (
        said(check(log.rows, 0, 2))[0] == "rows: position 0: the row after position -1 is malformed"
    )
