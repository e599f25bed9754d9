"""Verbs that prove the log: verify, checkpoint, prove and verify-proof."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.commands._options import PermissionOption, Subaccount
from registry.commands._progress import progress_bar
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import ExitStatus, InvalidInput
from registry.plurals import counted
from registry.services.reading.describing import describe, when

if TYPE_CHECKING:
    from registry.proofs.bundle import ProvenEvents
    from registry.services.audit.verification import Verdict

_MAX_PROOF = 256 * 1024 * 1024

PublicKey = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="KEY|FILE",
        help="The public key for checkpoints, or its file. [default: the one on this machine]",
    ),
]


@verb()
def verify(
    run: Run,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also prove that the log continues every checkpoint in this file."
        ),
    ] = None,
    since: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Check only what came after the newest checkpoint in this file, and no tables.",
        ),
    ] = None,
    key: PublicKey = None,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Do not open the data keys; needs no master key.")
    ] = False,
    only_log: Annotated[
        bool, typer.Option("--only-log", help="Do not compare the tables with the log.")
    ] = False,
    processes: Annotated[int | None, typer.Option(metavar="N", min=1, max=64)] = None,
) -> None:
    """Check the whole log, and the tables that follow.

    Exit code 6 if not so.

    Without --against, the last checkpoint that was signed on this machine is used, if any.
    """
    with progress_bar(run.output) as progress:
        verdict = run.registry.verify(
            against=against,
            since=since,
            key=key,
            with_keys=not without_keys,
            only_log=only_log,
            processes=processes,
            progress=progress,
        )
    run.output.result(_data(verdict), lambda: _text(run, verdict))
    if verdict.failures:
        run.exit_status = ExitStatus.VERIFICATION


def _data(verdict: "Verdict") -> dict[str, Any]:
    return {
        **dataclasses.asdict(verdict),
        "root": verdict.root.hex(),
        "verified": not verdict.failures,
        "log_verified": not verdict.failures or bool(verdict.beside_the_log),
    }


def _text(run: Run, verdict: "Verdict") -> None:
    for failure in verdict.failures:
        run.output.line(f"FAILED   {failure}")
    if verdict.more_failures:
        run.output.line(f"         … and {verdict.more_failures:,} more")
    if verdict.unopened_data_keys:
        run.output.notice(
            f"{counted(verdict.unopened_data_keys, 'data key')} not opened: "
            "no master key for them here."
        )
    beside = verdict.beside_the_log
    outcome = "does NOT verify" if verdict.failures and not beside else "verifies"
    run.output.line(
        f"The log of {counted(verdict.events, 'event')} {outcome}; root {verdict.root.hex()}; "
        f"{counted(verdict.data_keys, 'data key')} opened; "
        f"{counted(verdict.checkpoints, 'checkpoint')} compared."
    )
    if verdict.first:
        _tell_range(run, verdict)
    if beside:
        run.output.line(
            f"The {' and the '.join(beside)} do NOT follow from the log. "
            "What repairs them: account-registry doctor"
        )


def _tell_range(run: Run, verdict: "Verdict") -> None:
    first, last = verdict.first, verdict.events - 1
    if first < last:
        read = f"events {first:,} to {last:,}"
    else:
        read = f"event {first:,}" if first == last else "no event, since none is newer"
    run.output.line(
        f"Read: {read}. For the {counted(verdict.first, 'event')} before, only the signed root was "
        "compared: a later change of their rows is not seen, nor one of the tables. verify without "
        "--since reads all."
    )


@verb()
def generate_checkpoint_key(
    run: Run,
    origin: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The log's name in every checkpoint, such as registry.example.com/main. "
            "[default: this host/account-registry]",
        ),
    ] = None,
) -> None:
    """Make the key that signs checkpoints.

    It prints the public key, which auditors need.
    """
    import socket

    from registry.services.audit.checkpoint_store import CheckpointStore

    store = CheckpointStore()
    verifier = store.generate(origin or f"{socket.gethostname()}/account-registry")

    def text() -> None:
        run.output.notice(f"Wrote {store.key_file} (mode 0600) and {store.public_file}.")
        run.output.notice("Give auditors the public key:")
        run.output.line(str(verifier))

    data = {"public_key": str(verifier), "origin": verifier.name, "file": str(store.key_file)}
    run.output.result(data, text)


@verb()
def checkpoint(
    run: Run,
    append: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Add it to this file as well.")
    ] = None,
) -> None:
    """Sign where the log ends now. Keep it in another place: it proves later what was.

    Refuses if the log is not a continuation of the last checkpoint.
    """
    signed, note = run.registry.checkpoint(append=append)
    data = {
        "origin": signed.origin,
        "size": signed.size,
        "root": signed.root.hex(),
        "note": note,
        "file": None if append is None else str(append),
    }

    def text() -> None:
        if append is None:
            run.output.lines(note.removesuffix("\n"))
        else:
            run.output.line(
                f"Signed the log of {counted(signed.size, 'event')}; added to {append}."
            )

    run.output.result(data, text)


@verb()
def prove(
    run: Run,
    what: Annotated[
        list[str],
        typer.Argument(metavar="POSITION | ACCOUNT EXCHANGE", help="An event, or a credential."),
    ],
    checkpoint_file: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            help="Prove it against the last checkpoint in this file. "
            "[default: the last one signed here]",
        ),
    ] = None,
    subaccount: Subaccount = None,
    permission: PermissionOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the proof to this file.")
    ] = None,
    key: PublicKey = None,
) -> None:
    """Write a proof that an event is in the signed log.

    Or a credential's whole history.

    It holds the encrypted fields too: keep it as you keep backups.
    """
    import json

    from registry.machine import replace_file

    match what:
        case [position] if position.isdecimal():
            wanted: tuple[Any, ...] = (int(position),)
        case [account, exchange]:
            wanted = account, exchange
        case _:
            raise InvalidInput("prove takes a position, or an account and an exchange")
    document = run.registry.prove(
        *wanted, checkpoint=checkpoint_file, subaccount=subaccount, permission=permission, key=key
    )
    text = json.dumps(document, indent=1, ensure_ascii=False)
    if out is not None:
        replace_file(out, text + "\n", mode=0o600)
        document = {"file": str(out), "events": len(document["events"]), "about": document["about"]}
        text = f"Wrote the proof of {counted(document['events'], 'event')} to {out}."
    run.output.result(document, lambda: run.output.lines(text))


@verb()
def verify_proof(
    run: Run,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What prove wrote.")],
    key: PublicKey = None,
) -> None:
    """Check a proof with the public key only. It needs no database and no network."""
    from registry.machine import text_of_file
    from registry.proofs.bundle import verify_bundle
    from registry.services.audit.checkpoint_store import CheckpointStore
    from registry.values import parse_json

    verifier = CheckpointStore().verifier(key)
    document = parse_json(text_of_file(file, limit=_MAX_PROOF), str(file))
    proven = verify_bundle(document, verifier)
    checkpoint = proven.checkpoint
    data = {
        "about": {part: said for part, said in proven.about.items() if part != "account"},
        "not_proven": {part: said for part, said in proven.about.items() if part == "account"},
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "events": [leaf.record() for leaf in proven.events],
    }

    run.output.result(data, lambda: _tell_proven(run, proven))


def _tell_proven(run: Run, proven: "ProvenEvents") -> None:
    run.output.table(
        ["event", "when", "who", "role", "version", "what", "why"],
        [
            [
                leaf.position,
                when(leaf.recorded_at, leaf.occurred_at),
                leaf.actor,
                leaf.recorded_by,
                leaf.stream_version,
                describe(leaf.record()),
                leaf.reason,
            ]
            for leaf in proven.events
        ],
    )
    checkpoint = proven.checkpoint
    run.output.line(
        f"Proven: {counted(len(proven.events), 'event')} of the log {checkpoint.origin}, "
        f"which had {counted(checkpoint.size, 'event')} when it was signed."
    )
    if "account" in proven.about:
        run.output.line(
            f"Not proven: that the account is {proven.about['account']}, as the file says. Events "
            "hold its id."
        )
