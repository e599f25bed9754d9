"""The env file in memory."""

import os

from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from registry.catalog.catalog import built_in_exchanges
from registry.encryption.secret import Secret
from registry.services.releases.launching import memory_file

TEXTS = (
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Cf")) | st.just("\n"), min_size=1)
    .map(str.strip)
    .filter(bool)
)
ENVS = sorted({f.env for spec in built_in_exchanges().values() for f in spec.fields.values()})


@given(st.dictionaries(st.sampled_from(ENVS), TEXTS, min_size=1))
def test_a_file_in_memory_reads_back_as_it_was_given(values: dict[str, str]) -> None:
    path = memory_file({name: Secret(value) for name, value in values.items()})
    try:
        assert dotenv_values(path, interpolate=False) == values
    finally:
        os.close(int(path.rsplit("/", 1)[1]))


def test_a_line_end_behind_a_value_belongs_to_it() -> None:
    path = memory_file({"ASTER_API_KEY": Secret("key\n"), "ASTER_SECRET_KEY": Secret("secret")})
    try:
        read = dotenv_values(path, interpolate=False)
        assert read == {"ASTER_API_KEY": "key\n", "ASTER_SECRET_KEY": "secret"}
    finally:
        os.close(int(path.rsplit("/", 1)[1]))
