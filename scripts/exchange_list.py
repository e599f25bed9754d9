"""Writes what ccxt says of its exchanges, a line for each.

Column by column: its id, its name, the credentials that it requires, and marks: `test` if it has a
test system, `nonce` if it counts nonces per key; `-` for none.
"""

import inspect
import sys
from pathlib import Path
from typing import Any

import ccxt
from ccxt.base.exchange import Exchange


def exchange_list() -> str:
    """The text of `registry/catalog/ccxt.tsv`."""
    head = f"# Written by scripts/generate-exchanges from ccxt {ccxt.__version__}\n"
    return head + "".join(_line(getattr(ccxt, name)()) for name in ccxt.exchanges)


def _line(exchange: Any) -> str:
    needs = [name for name, needed in exchange.requiredCredentials.items() if needed] or ["-"]
    marks = ["test"] if _has_test_system(exchange) else []
    if _counts_nonces(type(exchange)):
        marks.append("nonce")
    return "\t".join((exchange.id, exchange.name, " ".join(needs), " ".join(marks or ["-"]))) + "\n"


def _has_test_system(exchange: Any) -> bool:
    """Whether it has one of its own; ccxt also gives Binance US that of Binance, for example."""
    parent = type(exchange).__mro__[1]
    if parent is Exchange:
        return bool(exchange.urls.get("test"))
    of_parent = parent().urls
    inherited = exchange.urls.get("test") == of_parent.get("test")
    return bool(exchange.urls.get("test")) and not (
        inherited and exchange.urls["api"] != of_parent["api"]
    )


def _counts_nonces(kind: type) -> bool:
    """Whether ccxt makes rising nonces: "for venues that reject duplicate nonces per signer"."""
    classes = [part for part in kind.__mro__ if issubclass(part, Exchange) and part is not Exchange]
    files = (Path(inspect.getfile(part)).read_text("utf-8") for part in classes)
    return any("incrementing_nonce(" in text for text in files)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(exchange_list(), "utf-8")
    sys.stdout.write(f"Wrote {sys.argv[1]}\n")
