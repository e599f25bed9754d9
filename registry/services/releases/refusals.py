"""The error for each reason why no credential is released."""

from typing import Final, NamedTuple

from registry import errors
from registry.hints import Blank, Command, Hint


class _Refusal(NamedTuple):
    """An error class with texts that are filled in from the resolution, `r`."""

    kind: type[errors.RegistryError]
    message: str
    hint: Hint


_HELD: Final = ("{r.holder}", "{r.exchange}")
_ADD: Final = Hint("Add one with: ", Command("add-credential", *_HELD))
_VERSIONS: Final = Hint("See: ", Command("list-credentials", "{r.holder}", versions=True))
_ADD_READ_ONLY: Final = Hint(
    "Make a read-only key at the exchange and add it with: ",
    Command("add-credential", *_HELD, permission="read_only"),
)

REFUSALS: Final = {
    "account_not_found": _Refusal(
        errors.AccountNotFound,
        "there is no account {r.account}",
        Hint("See: ", Command("list-accounts")),
    ),
    "not_permitted": _Refusal(
        errors.NotPermitted,
        "the database role that is logged in may not use account {r.account}",
        Hint(
            "An operator permits it with: ",
            Command("grant-access", "{r.account}", role="{r.login}"),
        ),
    ),
    "no_operator": _Refusal(
        errors.NotPermitted,
        "the login {r.login} may change the registry, but is no operator, so it gets no secrets",
        Hint('Let it run all commands: GRANT registry_operator TO "{r.login}"'),
    ),
    "account_inactive": _Refusal(
        errors.AccountInactive,
        "account {r.account} is inactive",
        Hint("Reactivate it first: ", Command("reactivate-account", "{r.account}")),
    ),
    "exchange_not_found": _Refusal(
        errors.ExchangeNotFound,
        "there is no exchange {r.exchange}",
        Hint("See: ", Command("exchanges")),
    ),
    "exchange_not_allowed": _Refusal(
        errors.ExchangeNotAllowed,
        "account {r.holder} may not use {r.exchange}, which its allowed_exchanges do not name",
        Hint(
            "Name it there too: ",
            Command("update-account", "{r.holder}", set={"allowed_exchanges": Blank("LIST")}),
        ),
    ),
    "stopped": _Refusal(
        errors.UseIsStopped,
        "no {r.exchange} key for {r.account}: {r.stop}",
        Hint("It is taken back with: ", Command("resume", "{r.stop.position}")),
    ),
    "no_credential": _Refusal(
        errors.CredentialNotFound,
        "{r.account} has no credential for {r.exchange}, own or shared",
        _ADD,
    ),
    "no_credential of the lender": _Refusal(
        errors.CredentialNotFound,
        "the lender {r.owner} has no credential for {r.exchange}",
        _ADD,
    ),
    "no_such_subaccount": _Refusal(
        errors.CredentialNotFound,
        "{r.holder} has no credential for {r.exchange} {r.chosen}",
        Hint("See: ", Command("list-credentials", "{r.holder}")),
    ),
    "credential_inactive": _Refusal(
        errors.CredentialInactive,
        "the credential of {r.holder} for {r.exchange} is inactive",
        Hint("Reactivate it: ", Command("reactivate-credential", *_HELD)),
    ),
    "needs_other_permission for full access": _Refusal(
        errors.ReleaseRefused,
        "{r.holder} has only a read-only key for {r.exchange}, and a full one was asked for",
        _ADD,
    ),
    "needs_other_permission for less": _Refusal(
        errors.ReleaseRefused,
        "{r.holder} has only a full key for {r.exchange}, which is not released where it is "
        "asked for as {r.wish.access}",
        _ADD_READ_ONLY,
    ),
    "needs_other_permission for a narrow share": _Refusal(
        errors.ReleaseRefused,
        "{r.holder} has only a full key for {r.exchange}, which is not released where it is "
        "shared as {r.sharing_type}",
        _ADD_READ_ONLY,
    ),
    "secrets_destroyed": _Refusal(
        errors.ReleaseRefused,
        "the secrets of {r.holder} for {r.exchange} were destroyed",
        Hint("Store new ones: ", Command("replace-credential", *_HELD)),
    ),
    "no_such_version": _Refusal(
        errors.CredentialNotFound,
        "the credential of {r.holder} for {r.exchange} never had a version {r.version}",
        _VERSIONS,
    ),
    "version_retired": _Refusal(
        errors.ReleaseRefused,
        "version {r.version} of {r.holder} for {r.exchange} is retired",
        _VERSIONS,
    ),
    "version_pending": _Refusal(
        errors.ReleaseRefused,
        "version {r.version} of {r.holder} for {r.exchange} is pending, and not to be used yet",
        Hint("Bring it into use: ", Command("rotate-credential", *_HELD, activate=True)),
    ),
    "not_adopted": _Refusal(
        errors.AdoptionPending,
        "the credential of {r.holder} for {r.exchange} is from before the registry, which has not "
        "taken it in yet",
        Hint("Take it in: ", Command("adopt", dry_run=True)),
    ),
    "not_shared": _Refusal(
        errors.ShareNotFound,
        "{r.wish.lender} shares no {r.exchange} credential with {r.account}",
        Hint("See: ", Command("list-shares", "{r.account}")),
    ),
    "lender_inactive": _Refusal(
        errors.AccountInactive,
        "the lender {r.owner} is inactive, from whom {r.account} borrows for {r.exchange}",
        Hint("Reactivate it first: ", Command("reactivate-account", "{r.owner}")),
    ),
    "share_is_narrower": _Refusal(
        errors.ReleaseRefused,
        "{r.owner} shares {r.exchange} with {r.account} as {r.sharing_type} only",
        Hint(
            "Change it with: ",
            Command("share", "{r.account}", "{r.owner}", "{r.exchange}", sharing_type="full"),
        ),
    ),
}
"""Case of the refusal -> the error; most cases are outcomes of the database."""
