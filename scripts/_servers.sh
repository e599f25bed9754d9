# Sourced by scripts/install-servers and scripts/test: what `scripts/test --all` needs of the machine.

# A package of Debian, and a program of it. PostgreSQL is the version that the release has
# (15 in Debian 12, 17 in Debian 13); 16 and 18 come with the embedded server.
needed_servers=(
    'postgresql /usr/lib/postgresql/*/bin/initdb'
    'pgbouncer  /usr/sbin/pgbouncer'
    'chromium   /usr/bin/chromium'
    'chromium-driver /usr/bin/chromedriver'
    'systemd    /usr/bin/systemd-analyze'
    'prometheus /usr/bin/promtool'
)

# What scripts/failover-drill needs in addition. The package postgresql is its server.
# shellcheck disable=SC2034
failover_servers=(
    'patroni     /usr/bin/patroni'
    'etcd-server /usr/bin/etcd'
)

# What differs between versions of PostgreSQL: tests that run with the machine's and with 16 too.
# shellcheck disable=SC2034
differs_by_version=(
    tests/attack/test_bot_hostile_sql.py
    tests/attack/test_bots_login.py
    tests/attack/test_direct_writes.py
    tests/attack/test_left_behind.py
    tests/attack/test_owner_of_other_tables.py
    tests/attack/test_planted_objects.py
    tests/attack/test_roles.py
    tests/attack/test_session_settings.py
    tests/cli/test_bots.py
    tests/cli/test_doctor.py
    tests/cli/test_managed_server.py
    tests/cli/test_whose_key.py
    tests/concurrency/test_at_once.py
    tests/concurrency/test_dump_and_restore.py
    tests/integration/test_connection_after_errors.py
    tests/integration/test_durability.py
    tests/integration/test_executor.py
    tests/integration/test_feed.py
    tests/integration/test_loader.py
    tests/integration/test_log.py
    tests/integration/test_plans.py
    tests/integration/test_positions.py
    tests/integration/test_problems.py
    tests/integration/test_rebuild.py
    tests/integration/test_releases_projection.py
    tests/integration/test_restore_drill.py
    tests/integration/test_rotation.py
    tests/integration/test_sharing.py
    tests/integration/test_views.py
    tests/integration/test_watching.py
    tests/migration
)

missing_servers() {
    for needed in "${needed_servers[@]}"; do
        read -r package program <<<"$needed"
        compgen -G "$program" >/dev/null || printf '%s\n' "$package"
    done
}

# The oldest PostgreSQL of the machine from 15 on.
machine_postgresql() {
    for folder in /usr/lib/postgresql/*/bin; do
        major=$(basename -- "$(dirname -- "$folder")")
        [ ! -x "$folder/initdb" ] || [ "$major" -lt 15 ] || printf '%s\n' "$major"
    done | sort -n | head -n 1
}
