"""The address of a database for another user."""

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from registry.database.target import Target, address_for


@pytest.mark.parametrize(
    "given",
    [
        "postgresql://db.example/bots",
        "postgresql://op:secret@db.example:6432/bots?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgresql://op@db1:5432,db2:5433/bots?target_session_attrs=read-write",
        "postgresql://op@[2001:db8::1]:5432/bots",
        "host=/run/postgresql dbname=bots port=5433",
        "host=@abstract dbname='my bots%20?'",
        "dbname=bots",
    ],
)
def test_it_leads_to_the_same_database_as_the_callers(given: str) -> None:
    parameters = {name: str(value) for name, value in conninfo_to_dict(given).items()}
    address = address_for(parameters, "new.bot", "p-_w")
    kept = {n: v for n, v in parameters.items() if n not in ("user", "password")}
    assert conninfo_to_dict(address) == {**kept, "user": "new.bot", "password": "p-_w"}
    assert Target.of(address).url == address


def test_one_port_holds_for_all_hosts_and_nothing_of_the_caller_is_kept() -> None:
    given = conninfo_to_dict(
        make_conninfo(
            "host=a,b port=6432 dbname=x",
            user="op",
            password="s",
            options="-c role=x",
            passfile="/f",
            sslkey="/k",
            sslcert="/c",
            application_name="mine",
        )
    )
    parameters = {name: str(value) for name, value in given.items()}
    assert address_for(parameters, "bot", None) == "postgresql://bot@a:6432,b:6432/x"
