"""What the server copies out is read to its end, or left before."""

from typing import Any

import psycopg
import pytest

from registry.database.copy_out import copy_lines

TEN = "COPY (SELECT generate_series(1, 10)) TO STDOUT"


def test_each_line_comes_once_and_in_order(connection: psycopg.Connection[Any]) -> None:
    many = "COPY (SELECT g, repeat('x', g % 3000) FROM generate_series(1, 3000) AS g) TO STDOUT"
    lines = [line.split("\t") for line in copy_lines(connection, many)]
    assert [int(number) for number, _ in lines] == list(range(1, 3001))
    assert all(len(text) == int(number) % 3000 + 1 for number, text in lines)


@pytest.mark.parametrize("seen", [0, 1, 9, 10])
def test_who_has_seen_enough_can_go_on_with_the_connection(
    connection: psycopg.Connection[Any], seen: int
) -> None:
    lines = copy_lines(connection, TEN)
    assert [int(next(lines)) for _ in range(seen)] == list(range(1, seen + 1))
    del lines
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_an_error_in_the_middle_is_raised_after_what_came_before(
    connection: psycopg.Connection[Any],
) -> None:
    failing = "COPY (SELECT 10 / (5 - g) FROM generate_series(1, 10) AS g) TO STDOUT"
    seen: list[str] = []
    with pytest.raises(psycopg.errors.DivisionByZero):
        seen.extend(copy_lines(connection, failing))
    assert seen == ["2\n", "3\n", "5\n", "10\n"]
    assert connection.execute("SELECT 1").fetchone() == (1,)
