"""The event filter of `Registry.history` and `Registry.follow`."""

from registry.facade.given import Only, optional_id
from registry.moments import moment
from registry.services.reading.history import HistoryFilter
from registry.values import subaccount_index


def wanted(account: str | None, only: Only) -> HistoryFilter:
    """The same in the form that the service takes."""
    subaccount = only.get("subaccount")
    since, until = only.get("since"), only.get("until")
    return HistoryFilter(
        account=account,
        exchange=only.get("exchange"),
        credential_id=optional_id(only.get("credential"), "a credential's id"),
        subaccount_index=None if subaccount is None else subaccount_index(subaccount),
        permission=only.get("permission"),
        event_type=only.get("event_type"),
        actor=only.get("by"),
        command_id=optional_id(only.get("command"), "a command's id"),
        since=None if since is None else moment(since, "since"),
        until=None if until is None else moment(until, "until"),
        limit=only.get("limit", 100),
    )
