"""The stored credentials, opened with the master key."""

from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring
from registry.encryption.sealing import DataKey, Place
from registry.encryption.secret import Secret


def opened(url: str, master_key: str) -> dict[tuple[str, str, str], dict[str, str]]:
    """(account, exchange, permission) -> the plain fields of every stored credential."""
    database = SingleConnection(Target(url))
    keyring = MasterKeyring.parse(Secret(master_key))
    found = {}
    with database.connection() as connection:
        rows = connection.execute(
            "SELECT a.account_name, d.name, c.permission, c.account_id, c.exchange_id, "
            "c.subaccount_index, c.api_key_encrypted, c.secret_key_encrypted, "
            "c.additional_credentials_encrypted, k.id, k.wrapped_key, k.master_key_id "
            "FROM account_exchange_credentials c JOIN accounts a ON a.id = c.account_id "
            "JOIN dexes d ON d.id = c.exchange_id "
            "JOIN credential_data_keys k ON k.id = c.data_key_id"
        ).fetchall()
    database.close()
    for account, exchange, permission, account_id, exchange_id, subaccount, *rest in rows:
        api_key, secret_key, additional, *key = rest
        own = {"api_key": api_key, "secret_key": secret_key}
        tokens = {n: t for n, t in {**own, **(additional or {})}.items() if t is not None}
        place = Place(account_id, exchange_id, subaccount, permission)
        fields = DataKey.unwrap(keyring, *key).open(place, tokens)
        found[account, exchange, permission] = {n: s.reveal() for n, s in fields.items()}
    return found
