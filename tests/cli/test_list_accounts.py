"""The verb `list-accounts`: which accounts it lists, in which order, and how many."""

import json

import pytest
from support.cli import CommandLine
from support.terminal import shown_on_a_terminal


@pytest.fixture
def several(cli: CommandLine) -> CommandLine:
    """Four accounts, of which one is inactive and two have a credential."""
    for name in ("main", "grid_eth", "grid_btc", "old"):
        cli("create-account", name)
    cli.store("grid_btc", "aster")
    cli.store("main", "lighter")
    cli.store("main", "aster", "--allow-shared-secret")
    cli("deactivate-account", "old")
    cli("update-account", "grid_eth", "--description", "changed last")
    return cli


def listed(cli: CommandLine, *options: str) -> list[str]:
    result = cli("list-accounts", *options, "--json")
    assert result.exit_status == 0, result.err
    return [account["account_name"] for account in result.data]


CHOSEN: tuple[tuple[tuple[str, ...], list[str]], ...] = (
    ((), ["grid_btc", "grid_eth", "main", "old"]),
    (("--active",), ["grid_btc", "grid_eth", "main"]),
    (("--inactive",), ["old"]),
    (("--exchange", "aster"), ["grid_btc", "main"]),
    (("--exchange", "lighter", "--active"), ["main"]),
    (("--exchange", "paradex"), []),
    (("--name", "grid_*"), ["grid_btc", "grid_eth"]),
    (("--name", "main"), ["main"]),
    (("--name", "GRID_*"), []),
    (("--sort", "credentials", "--limit", "2"), ["main", "grid_btc"]),
    (("--sort", "created"), ["old", "grid_btc", "grid_eth", "main"]),
    (("--sort", "updated", "--limit", "1"), ["grid_eth"]),
)


@pytest.mark.parametrize("as_of", [(), ("--as-of", "8")], ids=["now", "then"])
def test_accounts_can_be_chosen_now_and_as_they_were(
    several: CommandLine, as_of: tuple[str, ...]
) -> None:
    for options, names in CHOSEN:
        assert listed(several, *as_of, *options) == names, options


def test_a_list_that_is_cut_says_how_many_more_there_are(several: CommandLine) -> None:
    cut = several("list-accounts", "--limit", "3")
    assert (len(cut.out.splitlines()), cut.err) == (4, "There is 1 more; --limit N shows N.\n")
    assert (
        shown_on_a_terminal(several, "list-accounts", "--limit", "1")[-1]
        == "There are 3 more; --limit N shows N."
    )
    as_json = several("list-accounts", "--limit", "1", "--json")
    assert (len(as_json.data), as_json.err) == (1, "There are 3 more; --limit N shows N.\n")
    assert json.loads(as_json.out)["cut"] is True
    whole = several("list-accounts", "--limit", "4")
    assert "more" not in whole.out + whole.err
    assert json.loads(several("list-accounts", "--json").out)["cut"] is False


def test_an_empty_list_says_what_was_asked_and_what_there_is(several: CommandLine) -> None:
    for options, told in (
        (("--name", "nobody*"), "No account fits name nobody*. There are 4 accounts in all."),
        (
            ("--exchange", "paradex", "--inactive"),
            "No account fits not active, exchange paradex. There are 4 accounts in all.",
        ),
        (
            ("--as-of", "2020-01-01"),
            "No account fits as of 2020-01-01 00:00:00Z. There are 4 accounts now, the first since",
        ),
    ):
        none = several("list-accounts", *options)
        assert len(none.out.splitlines()) == 1  # the heads of the columns
        assert none.err.startswith(told)
        assert "Make one" not in none.err
        assert shown_on_a_terminal(several, "list-accounts", *options)[0].startswith(told)


def test_what_no_list_has_is_refused(several: CommandLine) -> None:
    for options, status in (
        (("--exchange", "nowhere"), 3),
        (("--sort", "age"), 2),
        (("--limit", "0"), 2),
    ):
        assert several("list-accounts", *options).exit_status == status, options
        then = several("list-accounts", "--as-of", "8", *options)
        assert then.exit_status == status, options
