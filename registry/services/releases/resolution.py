"""The credential that an account uses for an exchange, and the reason in words.

The database function `resolve_credential` decides, for commands and bots alike. This module
turns its answer into a sentence, or into the error for a refusal.
"""

import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

from psycopg.types.json import Jsonb

from registry import errors
from registry.catalog.catalog import built_in_exchanges
from registry.clock import now
from registry.database.connection import Connection, Database, registry_errors
from registry.database.own_login import own_login
from registry.database.queries import load_queries, read_rows
from registry.events.permissions import Access
from registry.execution.lookup import check_names
from registry.hints import Hint, Option
from registry.services.releases.refusals import REFUSALS
from registry.shown import shown
from registry.subaccounts import NOT_CHOSEN, Choice, Subaccounts, not_loaded

if TYPE_CHECKING:
    from registry.rules.stops import Stop

_QUERIES = load_queries("registry.services.releases", "releases.sql")
_SOON: Final = dt.timedelta(days=7)
_WAYS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The optional parts of a request: subaccounts, access and lender."""

    subaccounts: Subaccounts = NOT_CHOSEN
    access: Access | None = None
    """Reduced access, if wanted; None takes the access that is available."""
    lender: str | None = None
    """Use this lender's share, even if the account has a credential of its own."""
    version: int | None = None
    """This version, which may be a former one in grace; None takes the current one."""

    @classmethod
    def of(
        cls,
        subaccount: Choice = None,
        access: Access | None = None,
        lender: str | None = None,
        version: int | None = None,
    ) -> Self:
        """Builds it from arguments; errors as `Subaccounts.of`.

        Raises:
            InvalidInput: the version is no number that a version can have.
        """
        if version is not None and not 0 < version < 2**31:
            raise errors.InvalidInput(f"a version is numbered from 1, not {version}")
        chosen = Subaccounts.of(subaccount)
        return cls(subaccounts=chosen, access=access, lender=lender, version=version)

    def for_one(self, exchange: str) -> Self:
        """The part of it that is about this exchange."""
        return replace(self, subaccounts=self.subaccounts.among([exchange]))

    def parameters(self) -> dict[str, Any]:
        """The parameters of the database's functions."""
        chosen = self.subaccounts.chosen
        return {
            "subaccounts": Jsonb(chosen) if chosen else None,
            "access": self.access,
            "lender": self.lender,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The database's answer."""

    account: str
    exchange: str | None
    """None if the answer is about the account as a whole."""
    outcome: str
    wish: Wish
    source: str | None = None
    owner: str | None = None
    """The lender, for a share."""
    credential_id: uuid.UUID | None = None
    version: int | None = None
    subaccount_index: int | None = None
    permission: str | None = None
    access: Access | None = None
    sharing_type: str | None = None
    expires_at: dt.datetime | None = None
    choices: Sequence[str] = ()
    """The subaccounts to choose from; of what is stopped, the stop as JSON."""
    other_users: int | None = None
    """The number of other accounts that received this version of the key, or (where it is asked for
    without a release) hold an equal one."""
    login: str = "ROLE"
    """The login, if it is what is refused."""
    defined_nonces: bool | None = None
    """Whether a user's definition says that nonces are counted per key."""

    @property
    def granted(self) -> bool:
        """Whether there is a credential to use."""
        return self.outcome == "ok"

    @property
    def holder(self) -> str:
        """The account that owns the credential."""
        return self.owner or self.account

    @property
    def chosen(self) -> str:
        """The chosen subaccount, as text."""
        number = self.wish.subaccounts.get(self.exchange or "")
        return "without a subaccount" if number is None else f"subaccount {number}"

    @property
    def stop(self) -> "Stop | None":
        """The stop that refuses it, if one does."""
        if self.outcome != "stopped":
            return None
        from registry.rules.stops import Stop

        return Stop.of(json.loads(self.choices[0]))

    def reason(self) -> str:
        """The reason for this credential, or for the refusal."""
        if not self.granted:
            return self.error().message
        where = "" if self.subaccount_index is None else f" of subaccount {self.subaccount_index}"
        kind = "full" if self.permission == "full" else "read-only"
        key = f"{kind} key{where}, version {self.version}"
        if self.source == "own":
            text = f"{self.account} has its own {key}"
        else:
            none = "" if self.wish.lender else f"{self.account} has none of its own; "
            text = f"{none}{self.owner} shares its {key} ({self.sharing_type})"
        less = "" if self.access == "full" else f"; to be used for {_USES[self.access or '']} only"
        return text + less

    @property
    def breaks_when_used_twice(self) -> bool:
        """Whether two programs that trade with this key break each other's orders."""
        spec = built_in_exchanges().get(self.exchange or "")
        by_catalog = spec is not None and spec.nonce_per_key
        return self.access == "full" and (by_catalog or bool(self.defined_nonces))

    def warnings(self) -> list[str]:
        """Problems that the credential has now, or will have soon."""
        found = []
        ends = self.expires_at
        if ends and (left := ends.replace(tzinfo=dt.UTC) - now()) < _SOON:
            word = "expires" if left > dt.timedelta(0) else "expired"
            found.append(f"the {self.exchange} key of {self.holder} {word} on {ends:%Y-%m-%d}")
        if self.other_users and self.breaks_when_used_twice:
            several = self.other_users > 1
            others = f"{self.other_users} other accounts use" if several else "another account uses"
            found.append(
                f"{others} this {self.exchange} key too, {self._counts()}; give each its own"
            )
        return found

    def with_holders(self, held: Mapping[uuid.UUID, Sequence[Mapping[str, Any]]]) -> Self:
        """The same, with the accounts that hold an equal key, of `keys_in_use.held_elsewhere`."""
        equal = () if self.credential_id is None else held.get(self.credential_id, ())
        others = {credential["account_name"] for credential in equal} - {self.account, self.holder}
        return replace(self, other_users=(self.other_users or 0) + len(others))

    def used_by_another_process(self, file: str) -> str:
        """The warning that another process, which holds this file, uses the same key."""
        return (
            f"another process here has this {self.exchange} key of {self.holder} in use, "
            f"{self._counts()}; let only one of them run (see which: fuser {file})"
        )

    def _counts(self) -> str:
        spec = built_in_exchanges().get(self.exchange or "")
        name = self.exchange if spec is None else spec.display_name
        return f"and {name} counts orders per key: two bots on one key break each other's orders"

    def error(self) -> errors.RegistryError:
        """The error for the refusal."""
        if self.outcome == "several_credentials":
            return self._several()
        if self.outcome == "not_loaded":
            return not_loaded(self.exchange or "", self.choices)
        kind, message, hint = REFUSALS[self._case()]
        named = self._shown() if self.outcome in _NO_SUCH_NAME else self
        return kind(message.format(r=named), hint=hint.filled(r=named))

    def _several(self) -> errors.InvalidInput:
        """The error that there is a choice, with the options that make it."""
        numbers = [None if choice == "none" else int(choice) for choice in self.choices[:_WAYS]]
        ways = [Option("subaccount", {self.exchange: number}) for number in numbers]
        return errors.InvalidInput(
            f"{self.holder} has several credentials for {self.exchange}, "
            f"of the subaccounts {', '.join(self.choices)}",
            hint=Hint("Say which: ", Hint.joined(" or ", ways), "."),
        )

    def _shown(self) -> "Resolution":
        """A copy with printable names: a name that was not found may be anything, even a secret."""
        exchange = None if self.exchange is None else shown(self.exchange)
        lender = None if self.wish.lender is None else shown(self.wish.lender)
        wish = replace(self.wish, lender=lender)
        return replace(self, account=shown(self.account), exchange=exchange, wish=wish)

    def _case(self) -> str:
        if self.outcome == "no_credential" and self.source == "shared":
            return "no_credential of the lender"
        if self.outcome == "exchange_not_found" and self.exchange in built_in_exchanges():
            return "no_credential"
        if self.outcome != "needs_other_permission":
            return self.outcome
        if self.wish.access == "full":
            return "needs_other_permission for full access"
        narrow = self.sharing_type not in (None, "full")
        return f"needs_other_permission for {'a narrow share' if narrow else 'less'}"


_USES: Final = {"read_only": "reading", "positions_only": "reading positions"}


_NO_SUCH_NAME: Final = ("account_not_found", "exchange_not_found", "not_shared")


def tell_causes(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Corrects outcomes of credentials without secrets, if `adopt` was not run, and of logins.

    Who migrates with a login that is no superuser's owns everything, and is no operator by that.
    """
    if any(row["outcome"] == "not_permitted" for row in rows):
        login = own_login(connection)
        case = {"outcome": "no_operator"} if login.is_owner else {}
        for row in rows:
            row.update(case, login=login.name)
    lacking = [row for row in rows if row["outcome"] == "secrets_destroyed"]
    if lacking:
        from registry.rebuild.readiness import adoption_pending

        changed = {"outcome": "not_adopted"} if adoption_pending(connection) else {}
        for row in lacking:
            row.update(changed)


def resolve(database: Database, account: str, exchange: str | None, wish: Wish) -> list[Resolution]:
    """The resolution for an exchange, or for every exchange of the account; releases nothing.

    Raises:
        AccountNotFound: no account has this name.
        ExchangeNotFound: no exchange has this name.
        InvalidInput: a subaccount is chosen for another exchange.
    """
    parameters = {"account_name": account, "exchange": exchange, **wish.parameters()}
    with database.connection() as connection, registry_errors(connection):
        rows = read_rows(connection, _QUERIES["resolve"], parameters)
        tell_causes(connection, rows)
        if not rows:
            check_names(connection, account, exchange)
        elif exchange is None:
            wish.subaccounts.check([row["exchange"] for row in rows])
        else:  # as in `ReleaseService.release_one`
            for other in wish.subaccounts.others(exchange):
                check_names(connection, None, other)
        found = [Resolution(account=account, wish=wish, **row) for row in rows]
        if any(resolution.breaks_when_used_twice for resolution in found):
            from registry.services.reading.keys_in_use import held_elsewhere, keys_in_common

            held = held_elsewhere(keys_in_common(connection, exchange=exchange))
            found = [resolution.with_holders(held) for resolution in found]
        return found
