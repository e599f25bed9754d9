"""The verb `adopt`."""

import functools
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from registry.commands._output import Output
from registry.commands._progress import progress_bar
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import ExitStatus, InvalidInput, MasterKeyMissing
from registry.plurals import counted

if TYPE_CHECKING:
    from registry.encryption.secret import Secret
    from registry.facade.given import By
    from registry.rules.adoption.rows import Decision, Problem
    from registry.services.adoption.adoption import Adoption

_SHOWN: Final = 40
_MAX_DECISIONS: Final = 64 * 1024 * 1024


@verb()
def adopt(
    run: Run,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")
    ] = False,
    legacy_key_env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A variable with more keys that open what is there. Can be repeated.",
        ),
    ] = None,
    decisions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What becomes of rows that break a rule (JSON)."),
    ] = None,
    accept_proposals: Annotated[
        bool,
        typer.Option("--accept-proposals", help="Decide as proposed where nothing is decided."),
    ] = False,
    write_decisions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write what is undecided to a new file, as proposed, to be edited."
        ),
    ] = None,
) -> None:
    """Take the rows of a bot's own tables into the log.

    All of the rows from before the registry, or none.
    """
    from registry.rules.adoption.rows import Judge

    by: By = {**run.by, "dry_run": dry_run}
    judge = Judge(_read_decisions(decisions), accept_proposals)
    keys = _legacy_keys(legacy_key_env or [])
    with progress_bar(run.output, "rows") as bar:
        told = functools.partial(bar, "Adopting")
        result = run.registry.adopt(judge=judge, legacy_keys=keys, progress=told, **by)
    if write_decisions is not None:
        _write_decisions(write_decisions, judge.undecided)
    # The dry run, which comes first, has shown each problem already.
    tell = _tell if dry_run or not judge.undecided else _tell_undecided
    run.output.result(_data(result), lambda: tell(run.output, result))
    if judge.undecided:
        run.exit_status = ExitStatus.REFUSED
        problems = counted(len(judge.undecided), "problem")
        see = "" if dry_run else "See each, with a proposal: account-registry adopt --dry-run. "
        run.output.notice(
            f"Nothing was changed: {problems} to decide about. {see}"
            "Write the proposals to a file with --write-decisions FILE, edit it, and give it "
            "with --decisions FILE; or take them all with --accept-proposals."
        )


def _legacy_keys(names: list[str]) -> list["Secret"]:
    from registry.encryption.secret import Secret

    keys = []
    for name in names:
        text = os.environ.get(name, "").strip()
        if not text:
            raise MasterKeyMissing(
                f"the variable {name} is not set", hint="Name a variable, not the key itself."
            )
        keys.append(Secret(text))
    return keys


# ---------------------------------------------------------------- decisions in a file


def _read_decisions(path: Path | None) -> dict[tuple[str, str, str], "Decision"]:
    if path is None:
        return {}
    from registry.machine import text_of_file
    from registry.rules.adoption.rows import Decision
    from registry.values import parse_json

    entries = parse_json(text_of_file(path, limit=_MAX_DECISIONS), str(path))
    hint = "Make one with: account-registry adopt --dry-run --write-decisions FILE"
    if not isinstance(entries, list):
        raise InvalidInput(f"{path} is not a list of decisions", hint=hint)
    found = {}
    for number, entry in enumerate(entries, start=1):
        names = ("table", "id", "problem", "decision")
        if not isinstance(entry, dict) or any(not isinstance(entry.get(n), str) for n in names):
            raise InvalidInput(
                f"entry {number} of {path} lacks one of: {', '.join(names)}", hint=hint
            )
        key = entry["table"], entry["id"], entry["problem"]
        if key in found:
            raise InvalidInput(f"{path} decides twice about {' '.join(key)}")
        found[key] = Decision(entry["decision"], entry.get("value"))
    return found


def _write_decisions(path: Path, undecided: list["Problem"]) -> None:
    import json

    entries = [
        {
            "table": problem.table,
            "id": problem.id,
            "problem": problem.problem,
            "decision": problem.proposal.decision,
            **({} if problem.proposal.value is None else {"value": problem.proposal.value}),
            "row": problem.of,
            "why": problem.text,
            "choices": list(problem.choices),
        }
        for problem in undecided
    ]
    try:
        with path.open("x", encoding="utf-8") as file:
            json.dump(entries, file, indent=1, ensure_ascii=False)
            file.write("\n")
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from None


# ---------------------------------------------------------------- output


def _data(result: "Adoption") -> dict[str, Any]:
    from dataclasses import asdict

    judge = result.judge
    return {
        "found": result.found,
        "done": result.done,
        "adopted": dict(result.adopted),
        "left_out": {table: count for table, count in result.left_out.items() if count},
        "undecided": [asdict(problem) for problem in judge.undecided],
        "decided": [
            {**asdict(problem), "decision": made.decision, "value": made.value}
            for problem, made in judge.decided
        ],
        "notes": [asdict(note) for note in judge.notes],
        "note_counts": dict(judge.note_counts),
        "own_columns": result.own_columns,
        "position": result.position if result.done else None,
        "seconds": round(result.seconds, 3),
    }


def _tell(output: Output, result: "Adoption") -> None:
    if not result.found:
        output.line("There is nothing to adopt: every row is in the log.")
        return
    judge = result.judge
    for problem in judge.undecided[:_SHOWN]:
        output.line(f"{problem.table} {problem.id} ({problem.of})")
        output.line(f"  {problem.problem}: {problem.text}")
        others = [choice for choice in problem.choices if choice != problem.proposal.decision]
        more = f" (or: {', '.join(others)})" if others else ""
        output.line(f"  proposed: {problem.proposal}{more}")
    _more(output, len(judge.undecided))
    for problem, made in judge.decided[:_SHOWN]:
        output.line(f"decided   {problem.table} {problem.of}: {problem.problem}, {made}")
    _more(output, len(judge.decided))
    for note in judge.notes[:_SHOWN]:
        output.line(f"note      {note.table} {note.of}: {note.text}")
    _more(output, sum(judge.note_counts.values()))
    for column in result.own_columns:
        output.line(f"note      {column} is a column of your own: it stays, and is not in the log")
    if judge.undecided:
        return
    _tell_counts(output, result)


def _tell_undecided(output: Output, result: "Adoption") -> None:
    found = Counter((problem.table, problem.problem) for problem in result.judge.undecided)
    for (table, problem), count in sorted(found.items()):
        output.line(f"undecided {table}: {count:,} of {problem}")


def _tell_counts(output: Output, result: "Adoption") -> None:
    verb_ = "Adopted" if result.done else "Would adopt"
    counts = ", ".join(f"{count:,} of {table}" for table, count in result.adopted.items() if count)
    output.line(f"{verb_} {counts or 'no row'}.")
    left = [f"{count:,} of {table}" for table, count in result.left_out.items() if count]
    if left:
        output.line(f"Left out, as decided: {', '.join(left)}.")
    rate = result.adopted["account_exchange_credentials"] / max(result.seconds, 0.001)
    output.line(f"It took {result.seconds:.1f} s ({rate:,.0f} credentials/s).")
    if result.done:
        output.line(f"See event {result.position}, and run: account-registry rebuild --check")
    else:
        output.line("Nothing was changed (dry run).")


def _more(output: Output, total: int) -> None:
    if total > _SHOWN:
        output.line(f"  … and {total - _SHOWN:,} more (all of them: --json)")
