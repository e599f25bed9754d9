"""Prints docs/python-api.md, generated from the public API's docstrings so that it cannot drift."""

import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import registry.facade
from registry import Registry
from registry.facade.given import By
from registry.hints import METHODS

INTRODUCTION = """\
# Python API

Generated from docstrings by `scripts/python-reference`; a test compares it, and runs the example.

What the command line can do, a program can, through `registry.Registry`. Settings are those of
the command line: `DATABASE_URL` or else the embedded database, the master key,
`REGISTRY_ACTOR`; see [configuration](configuration.md).

```python
from registry import Registry, Secret

with Registry.open() as registry:
    registry.accounts.create("main_bot", description="trades", reason="first bot")
    registry.accounts.create("hedge_bot")
    keys = {"api_key": Secret("aster-key-1"), "secret_key": Secret("aster-secret-1")}
    registry.credentials.add("main_bot", "aster", keys)
    registry.shares.grant("hedge_bot", "main_bot", "aster")

    loaded = registry.loader.load_account_credentials("hedge_bot")
    assert loaded["aster"]["api_key"] == "aster-key-1"

    for event in registry.history(account="main_bot"):
        print(event["position"], event["event_type"], event["actor"], event["reason"])
    assert registry.verify().failures == []

    registry.shares.revoke("hedge_bot", "aster", reason="by mistake")
    before = registry.history(limit=1)[0]["position"] - 1
    for line in registry.plan_rollback(before).lines:
        print(line.account, line.sign, line.text)
    registry.rollback(before, reason="it was needed")
    assert len(registry.shares.list("hedge_bot")) == 1
```

Results are dataclasses, or a dictionary for each row; times in them carry their zone. A change
gives an `Outcome`: `positions` and `event_types` of its events, `notes` that a person should
read, `stream_id`. Errors are classes of `registry.errors`; each has a `message`, and a `hint`
that a traceback shows too, with calls to make. A `Registry` may be used by several threads.

What it remarks on, such as a lost connection, goes to the standard library's logger `registry`.

`AsyncRegistry` is the same for asyncio: `async with AsyncRegistry.open() as registry`, and then
`await registry.accounts.create("main_bot")`. Each call runs in a thread.

Public are `registry.Registry`, `registry.AsyncRegistry`, `registry.Secret`, `registry.loader`,
`registry.positions`, `registry.clients` and `registry.errors`. Everything else is internal.

## Following an account

A bot that follows gets a new key within a second of the change, and learns of a stop too. It
records a release for what has changed only. `CredentialLoader.watch` is the same without asyncio:

```python
from registry.loader import AsyncCredentialLoader


async def trade(connect):
    async with AsyncCredentialLoader(purpose="trade") as loader:
        async for credentials in loader.watch("main_bot", exchanges=["aster"]):
            if "aster" not in credentials:  # it was stopped, ended or taken away
                return credentials.problems["aster"].message
            connect(**credentials["aster"])
```

A program that cannot wait asks `loader.changes_since("main_bot", mark)` now and then. It costs a
twentieth of a load, and records nothing. The answer has a `mark` for the next question, the
`exchanges` that changed, and whether all is `stopped`. A program that knows nothing of the
registry is restarted by `run --watch`
([deploying](deploying.md#a-bot-that-follows-its-keys-run---watch)).

## What every change takes

"""


def homes() -> Iterator[Any]:
    """The modules of the classes that annotations name."""
    for module in pkgutil.iter_modules(registry.facade.__path__):
        yield importlib.import_module(f"registry.facade.{module.name}")


def named(text: str) -> Any:
    """The class with this name in the facade's modules."""
    return next(vars(home)[text] for home in homes() if text in vars(home))


def keywords(method: Any) -> type | None:
    """The typed dictionary behind a method's `**`, if it has one."""
    for parameter in inspect.signature(method).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            found = re.search(r"(\w+)['>\]]*$", str(parameter.annotation))
            return None if found is None else named(found[1])
    return None


def options(method: Any) -> list[str]:
    """A method's keyword arguments from its typed dictionary."""
    found = keywords(method)
    return [] if found is None else list(found.__annotations__)


def parts() -> Iterator[tuple[str, str, Any]]:
    """The name, the purpose and the class of each part of a registry."""
    for name, found in vars(Registry).items():
        if isinstance(found, functools.cached_property) and name != "loader":
            yield name, inspect.getdoc(found) or "", named(Registry.__annotations__[name])


def methods(kind: type) -> Iterator[tuple[str, Any]]:
    """The public methods of a class, its own first."""
    for name, found in [item for home in kind.__mro__[:-1] for item in vars(home).items()]:
        method = found.__func__ if isinstance(found, staticmethod | classmethod) else found
        if not name.startswith("_") and inspect.isfunction(method):
            yield name, method


def method_of(path: str) -> Any:
    """The function behind a path such as `accounts.create`."""
    part, _, name = path.rpartition(".")
    kind = {name: kind for name, _, kind in parts()}[part] if part else Registry
    return dict(methods(kind))[name]


def call(path: str, method: Any) -> str:
    """The call of a method, with its parameters and defaults."""
    shown, star = [], False
    for parameter in list(inspect.signature(method).parameters.values()):
        if parameter.name in ("self", "cls") or parameter.kind is parameter.VAR_KEYWORD:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            star = True
            shown.append("*")
        default = parameter.default
        shown.append(
            parameter.name if default is parameter.empty else f"{parameter.name}={default!r}"
        )
    own = [option for option in options(method) if option not in By.__annotations__]
    shown += ["*"] if own and not star else []
    shown += [f"{option}=…" for option in own]
    shown += ["**by"] if "actor" in options(method) else []
    shown = [re.sub(r"=<function.*", "=…", text) for text in shown]
    return f"registry.{path}({', '.join(shown)})"


def described(found: type) -> str:
    """The fields of a typed dictionary with the descriptions below them."""
    source = inspect.getsource(found)
    fields = re.findall(
        r'^    (\w+): ([^\n]+)\n(?:    """(.*?)""")?', source, re.MULTILINE | re.DOTALL
    )
    return "".join(
        f"- `{name}`: `{kind}`. {' '.join(words.split())}\n" for name, kind, words in fields
    )


def reference() -> str:
    """The whole page."""
    text = [INTRODUCTION, described(By)]
    verbs = {method: verb for verb, method in METHODS.items()}
    everything: list[tuple[str, str, type]] = [("", "The registry itself.", Registry), *parts()]
    for part, purpose, kind in everything:
        text.append(f"\n## {f'registry.{part}' if part else 'registry'}\n\n{purpose}\n")
        for name, method in methods(kind):
            path = f"{part}.{name}" if part else name
            verb = f"\n\nVerb: `{verbs[path]}`." if path in verbs else ""
            words = re.sub(
                r"^    (\w+: )", r"- \1", inspect.getdoc(method) or "", flags=re.MULTILINE
            )
            words = words.replace("Args:\n", "")
            text.append(f"\n```text\n{call(path, method)}\n```\n\n{words}{verb}\n")
    return "".join(text)


if __name__ == "__main__":
    print(reference(), end="")
