"""A signed log, and proofs from it."""

import json
from typing import Any

from support.cli import CommandLine

Document = dict[str, Any]


def signed_log(cli: CommandLine) -> CommandLine:
    """Nine events, a key for checkpoints, and a checkpoint over all of them."""
    for account in ("one", "two"):
        cli("create-account", account)
        for key in ("first", "second"):
            verb = "add-credential" if key == "first" else "replace-credential"
            fields = json.dumps({"api_key": f"{account}-{key}", "secret_key": f"s-{account}"})
            cli(verb, account, "aster", "--from-json", "-", stdin=fields)
    cli("update-account", "one", "--description", "text")
    cli("deactivate-credential", "one", "aster")
    cli("reactivate-credential", "one", "aster")
    assert cli("generate-checkpoint-key", "--origin", "test.example/log").exit_status == 0
    assert cli("checkpoint").exit_status == 0
    return cli


def public_key(cli: CommandLine) -> str:
    """The public key for the checkpoints."""
    return (cli.folder / "config" / "checkpoint.pub").read_text()


def proof(cli: CommandLine, *what: str) -> Document:
    """The output of `prove`."""
    path = cli.folder / "proof.json"
    done = cli("prove", *what, "--out", str(path), "--json")
    assert done.exit_status == 0, done.err
    document: Document = json.loads(path.read_text())
    return document
