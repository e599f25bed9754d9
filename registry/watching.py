"""How a loader follows its account, for threads and for asyncio."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from registry.database.connection import Database
from registry.errors import (
    AccountInactive,
    AccountNotFound,
    DatabaseUnavailable,
    NoCredentials,
    NotPermitted,
)
from registry.events.permissions import Access
from registry.loaded import AccountCredentials
from registry.services.releases.changes import Asked, Changes, Waiting, changes_since
from registry.subaccounts import Choice

log = logging.getLogger("registry.loader")

_REFUSALS: Final = (AccountInactive, AccountNotFound, NoCredentials, NotPermitted)
_RETRY_SECONDS: Final = 1.0
Load: TypeAlias = Callable[[Asked], AccountCredentials]


class Watching:
    """The methods of a loader that follow an account."""

    def _watch(
        self,
        account: str,
        exchanges: Sequence[str] | None,
        subaccount: Choice,
        access: Access | None,
    ) -> "Watch":
        raise NotImplementedError

    def changes_since(
        self,
        account_name: str,
        mark: str | None = None,
        *,
        timeout: float | None = 0,
        exchanges: Sequence[str] | None = None,
        subaccount: Choice = None,
        access: Access | None = None,
    ) -> Changes:
        """What the account resolves to now and did not at a mark; releases and records nothing.

        Without a mark, all that it can use is new. With a timeout (in seconds; None is without end)
        it waits so long for a change. It is woken where it has a session of the server, and asks
        every second or two where a pooler lends none. The other arguments are those of
        `load_account_credentials`: what a load with them would not use does not count.

        Raises:
            AccountNotFound, NotPermitted: there is no mark, and the account cannot be asked about.
            InvalidInput: the mark is not one that was returned.
            DatabaseUnavailable: no server answers.
        """
        watch = self._watch(account_name, exchanges, subaccount, access)
        if timeout == 0:
            return watch.changes_since(mark)
        with watch.waiting(mark) as waiting:
            try:
                return waiting.changed.result(timeout)
            except TimeoutError:
                return waiting.seen()

    def watch(
        self,
        account_name: str,
        *,
        exchanges: Sequence[str] | None = None,
        subaccount: Choice = None,
        access: Access | None = None,
    ) -> Iterator[AccountCredentials]:
        """The account's credentials, and again after each change of them, without end.

        What has changed is loaded anew, and the rest is as before. What cannot be used any more is
        missing, and `problems` says why: of a stopped account nothing is left. A lost connection
        is opened again. Arguments as `load_account_credentials`.

        Raises:
            RegistryError: the first load fails, as `load_account_credentials`; or the master key
                is not there when something has changed.
        """
        watch = self._watch(account_name, exchanges, subaccount, access)
        yield watch.first()
        while True:
            with watch.waiting(watch.mark) as waiting:
                changes = waiting.changed.result()
            if (changed := watch.after(changes)) is not None:
                yield changed


class AsyncWatching:
    """The same for asyncio."""

    def __init__(self, loader: Watching) -> None:
        self._watch = loader._watch  # noqa: SLF001 - both are the same loader

    async def changes_since(
        self,
        account_name: str,
        mark: str | None = None,
        *,
        timeout: float | None = 0,  # noqa: ASYNC109 - as the other loader
        exchanges: Sequence[str] | None = None,
        subaccount: Choice = None,
        access: Access | None = None,
    ) -> Changes:
        """See `CredentialLoader.changes_since`. Waiting takes no thread of the event loop's."""
        watch = self._watch(account_name, exchanges, subaccount, access)
        if timeout == 0:
            return await asyncio.to_thread(watch.changes_since, mark)
        with watch.waiting(mark) as waiting:
            try:
                return await asyncio.wait_for(asyncio.wrap_future(waiting.changed), timeout)
            except TimeoutError:
                return await asyncio.to_thread(waiting.seen)

    async def watch(
        self,
        account_name: str,
        *,
        exchanges: Sequence[str] | None = None,
        subaccount: Choice = None,
        access: Access | None = None,
    ) -> AsyncIterator[AccountCredentials]:
        """See `CredentialLoader.watch`. Waiting takes no thread of the event loop's."""
        watch = self._watch(account_name, exchanges, subaccount, access)
        yield await asyncio.to_thread(watch.first)
        while True:
            with watch.waiting(watch.mark) as waiting:
                changes = await asyncio.wrap_future(waiting.changed)
            if (changed := await asyncio.to_thread(watch.after, changes)) is not None:
                yield changed


class Watch:
    """The credentials of an account as they change."""

    def __init__(self, database: Database, asked: Asked, load: Load, load_any: Load) -> None:
        self.mark: str | None = None
        """Of what was loaded last."""
        self._database = database
        self._asked = asked
        self._load = load
        self._load_any = load_any
        self._held = AccountCredentials({})

    def changes_since(self, mark: str | None) -> Changes:
        """What differs from a mark now."""
        return changes_since(self._database, self._asked, mark)

    def waiting(self, mark: str | None) -> Waiting:
        """Waits for what differs from a mark."""
        return Waiting(self._database, self._asked, mark)

    def first(self) -> AccountCredentials:
        """What can be used at the beginning; errors as `load_account_credentials`."""
        # The mark is older than what is loaded: nothing between the two goes unnoticed.
        changes = self.changes_since(None)
        self._held = self._load(self._asked)
        self.mark = changes.mark
        return self._held

    def after(self, changes: Changes) -> AccountCredentials | None:
        """What can be used now; None if no server answers, and the changes stay to be seen."""
        names = changes.exchanges
        wish = replace(self._asked.wish, subaccounts=self._asked.wish.subaccounts.among(names))
        fresh = AccountCredentials({})
        try:
            if names:
                fresh = self._load_any(replace(self._asked, exchanges=names, wish=wish))
        except _REFUSALS as refused:
            fresh = AccountCredentials(dict.fromkeys(names, refused))
        except DatabaseUnavailable as error:
            log.warning("loading what changed of %s: %s", self._asked.account, error.message)
            time.sleep(_RETRY_SECONDS)
            return None
        self.mark = changes.mark
        same = {n: found for n, found in self._held.items() if n not in names}
        problems = {n: found for n, found in self._held.problems.items() if n not in names}
        self._held = AccountCredentials({**problems, **fresh.problems})
        self._held.update({**same, **fresh})
        return self._held
