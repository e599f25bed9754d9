"""What receivers are told."""

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from registry.hints import commands_of
from registry.plurals import counted
from registry.services.feed.events import Event
from registry.services.problems.kinds import Problem

_LISTED: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing to tell."""

    id: str
    """The same however often it is sent; receivers drop what they know."""
    type: str
    """`problem.expired`, `over.expired`, `event.CredentialReplaced`, `digest` or `test`."""
    at: str
    """When it was noticed, or when the event was recorded."""
    text: str
    severity: str | None = None
    account: str | None = None
    exchange: str | None = None
    position: int | None = None
    """Of an event, its place in the log."""
    do: str | None = None
    """What to do about it, as a command."""
    registry: str | None = None
    """The registry's name, by the settings."""
    messages: tuple[str, ...] = ()
    """Of a digest, the texts of its first messages."""

    @classmethod
    def of_problem(cls, problem: Problem, now: dt.datetime) -> Self:
        """A problem that was not there before."""
        return cls(
            # The same problem may come again later, and is to be told again then.
            id=f"problem-{problem.id}-{now:%Y%m%dT%H%M%SZ}",
            type=f"problem.{problem.kind}",
            at=now.isoformat(timespec="seconds"),
            text=problem.text,
            severity=problem.severity,
            account=problem.account,
            exchange=problem.exchange,
            do=commands_of(problem.hint),
        )

    def over(self, now: dt.datetime) -> "Message":
        """The same problem is gone."""
        return dataclasses.replace(
            self,
            id=f"over-{self.id}",
            type=f"over.{self.kind}",
            at=now.isoformat(timespec="seconds"),
            text=f"over: {self.text}",
            do=None,
        )

    @classmethod
    def of_event(cls, event: Event) -> Self:
        """An event of the log, by its names alone."""
        about = f" of {event.account_name}" if event.account_name else ""
        where = f" for {event.exchange}" if event.exchange else ""
        return cls(
            id=f"event-{event.position}",
            type=f"event.{event.event_type}",
            at=event.recorded_at.astimezone(dt.UTC).isoformat(timespec="seconds"),
            text=f"{event.event_type}{about}{where} by {event.actor} (event {event.position})",
            account=event.account_name,
            exchange=event.exchange,
            position=event.position,
        )

    @classmethod
    def digest(cls, messages: Sequence["Message"], dropped: int) -> Self:
        """One message in the place of many; of those dropped before only the number is known."""
        first, last = messages[0], messages[-1]
        kinds = Counter(message.type for message in messages)
        counts = ", ".join(f"{number:,} {kind}" for kind, number in kinds.most_common())
        before = f"; {dropped:,} older are not listed" if dropped else ""
        worst = [m.severity for m in messages if m.severity]
        number = counted(len(messages) + dropped, "message")
        return cls(
            id=f"digest-{first.id}-{last.id}",
            type="digest",
            at=last.at,
            text=f"{number} since {first.at}: {counts}{before}",
            severity=min(worst, key=("critical", "warning", "notice").index, default=None),
            messages=tuple(message.text for message in messages[:_LISTED]),
        )

    @classmethod
    def test(cls, receiver: str, now: dt.datetime) -> Self:
        """A message that says that messages arrive."""
        return cls(
            id=f"test-{receiver}-{now:%Y%m%dT%H%M%S.%fZ}",
            type="test",
            at=now.isoformat(timespec="seconds"),
            text=f"a test of the receiver {receiver}: nothing is wrong",
        )

    @property
    def kind(self) -> str:
        """The kind of problem, or the type of event."""
        return self.type.partition(".")[2]

    def as_json(self) -> dict[str, Any]:
        """What is sent, and kept: what is empty is left out."""
        told = dataclasses.asdict(self)
        return {name: value for name, value in told.items() if value not in (None, ())}

    @classmethod
    def parse(cls, told: Mapping[str, Any]) -> Self:
        """Reads what `as_json` wrote; TypeError if it is something else."""
        return cls(**{**told, "messages": tuple(told.get("messages", ()))})
