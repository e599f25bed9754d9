"""Writes what ccxt says of its exchanges, a line for each.

Column by column: its id, its name, the credentials that it requires, and marks: `test` if it has a
test system, `nonce` if it counts nonces per key, `base64` if its secret is base64; `-` for none.
"""

import inspect
import sys
from collections.abc import Iterator
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
    source = _source(type(exchange))
    # Made "for venues that reject duplicate nonces per signer", as ccxt says.
    marks += ["nonce"] if "incrementing_nonce(" in source else []
    marks += ["base64"] if "secret = self.base64_to_binary(self.secret)" in source else []
    return "\t".join((exchange.id, exchange.name, " ".join(needs), " ".join(marks or ["-"]))) + "\n"


def changes(listed: str, now: str) -> Iterator[str]:
    """What differs between two such lists, an exchange a line."""
    if (version := now.partition("\n")[0]) != listed.partition("\n")[0]:
        yield version
    old, new = (
        {line.partition("\t")[0]: line for line in text.splitlines()[1:]} for text in (listed, now)
    )
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield f"{name} is new: {_said(new[name])}"
        elif name not in new:
            yield f"{name} is no exchange of ccxt any more"
        elif old[name] != new[name]:
            yield f"{name} was {_said(old[name])}; it is {_said(new[name])}"


def _said(line: str) -> str:
    _, name, needs, marks = line.split("\t")
    return f"{name}, requires {needs}, marks {marks}"


def _has_test_system(exchange: Any) -> bool:
    """Whether it has one of its own; ccxt also gives Binance US that of Binance, for example."""
    kind = type(exchange)
    parent = kind.__mro__[1]
    if not exchange.urls.get("test"):
        # Bitget tells the systems apart by a header.
        return "set_sandbox_mode" in vars(kind)
    if parent is Exchange:
        return True
    of_parent = parent().urls
    inherited = exchange.urls["test"] == of_parent.get("test")
    return not (inherited and exchange.urls["api"] != of_parent["api"])


def _source(kind: type) -> str:
    """The code of an exchange, and of those that it is derived from."""
    classes = [part for part in kind.__mro__ if issubclass(part, Exchange) and part is not Exchange]
    return "".join(Path(inspect.getfile(part)).read_text("utf-8") for part in classes)


if __name__ == "__main__":
    path, text = Path(sys.argv[1]), exchange_list()
    sys.stdout.writelines(f"{change}\n" for change in changes(path.read_text("utf-8"), text))
    path.write_text(text, "utf-8")
    sys.stdout.write(f"Wrote {path}\n")
