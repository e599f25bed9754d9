"""The verb `end-session`."""

import dataclasses

from registry.commands._changes import events_of, sentence
from registry.commands._options import Yes
from registry.commands._run import Run
from registry.commands._verb import verb


@verb()
def end_session(run: Run, yes: Yes = False) -> None:
    """End the session that holds the log up.

    It shows whose session it is, and asks. Commands need not wait for it then; what it has not
    committed is lost.
    Recorded in the history.
    """
    from registry.database.connection import registry_errors
    from registry.services.changes import sessions

    invocation = run.invocation()
    with run.database.connection() as connection, registry_errors(connection):
        holders = sessions.log_holders(connection)
    if not holders:
        seconds = sessions.BRIEF.total_seconds()
        nobody = f"No session has held the log for longer than {seconds:.0f} s."
        run.output.result({"ended": None}, lambda: run.output.line(nobody))
        return
    holder = holders[0]
    if not run.output.as_json:
        run.output.facts([(n, v) for n, v in dataclasses.asdict(holder).items() if n != "started"])
    run.confirm(f"End session {holder.pid} of {holder.role}?", yes=yes)
    if not sessions.end_session(run.database, holder):
        gave_up = f"Session {holder.pid} does not hold the log any more; nothing was done."
        run.output.result({"ended": None}, lambda: run.output.line(gave_up))
        return
    outcome = sessions.record_end(run.database, holder, invocation)
    data = {"ended": dataclasses.asdict(holder), **events_of(outcome)}
    done = f"ended session {holder.pid} of {holder.role}"
    run.output.result(data, lambda: run.output.line(sentence(outcome, done)))
