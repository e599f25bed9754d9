-- Who gets which secret: access of login roles, releases in two steps, the rules of
-- sharing, and the limits of an account's positions. All of it holds against a client
-- that speaks SQL; docs/threat-model.md says what does not.
--
-- Errors: RG021 a release is refused, RG022 a position is beyond its account's limits,
-- RG023 a share would break the rules, RG024 not permitted, RG025 the account is inactive.

-- ---------------------------------------------------------------- access

-- Which login role may use which account. A projection of audit_events.
CREATE TABLE IF NOT EXISTS public.account_access (
    id UUID PRIMARY KEY,
    account_id UUID NOT NULL REFERENCES public.accounts (id) ON DELETE RESTRICT,
    role_name VARCHAR(63) NOT NULL CHECK (role_name <> ''),
    granted_at TIMESTAMP NOT NULL,
    UNIQUE (role_name, account_id)
);
CREATE INDEX IF NOT EXISTS idx_account_access_account ON public.account_access (account_id);
COMMENT ON TABLE public.account_access IS
    'Which login role may use which account. A projection of audit_events.';

CREATE OR REPLACE TRIGGER account_access_only_by_event
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON public.account_access
    FOR EACH STATEMENT EXECUTE FUNCTION public.projection_refuse_direct_write(
        'grant-access or revoke-access');
ALTER TABLE public.account_access OWNER TO registry_owner;
REVOKE ALL ON public.account_access FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.account_access TO registry_operator;
GRANT SELECT ON public.account_access TO registry_auditor;

-- Always about the role that logged in (session_user): SET ROLE does not change it.
-- Called inside the functions below only, with their owner's rights and search_path. (In
-- PL/pgSQL, which keeps the plan; a query in an SQL function is planned again and again.)
CREATE OR REPLACE FUNCTION public.session_may_use(p_account_id uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (
            SELECT FROM public.account_access AS a
            WHERE a.account_id = p_account_id AND a.role_name = session_user)
        OR pg_has_role(session_user, 'registry_operator', 'MEMBER');
END
$$;

-- The accounts of the role that logged in; for the policy on positions.
CREATE OR REPLACE FUNCTION public.session_accounts() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.account_id FROM public.account_access AS a WHERE a.role_name = session_user;
END;

-- Whether a bot logged in: also one that does not inherit the role, but can become it, or
-- another member of it, with SET ROLE. (Who may only administer the role is none: from
-- PostgreSQL 16 on, MEMBER would be true for him.) A superuser has every role, and is none.
CREATE OR REPLACE FUNCTION public.session_is_bot() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN current_user = 'registry_bot'
    OR (pg_has_role(session_user, 'registry_bot',
            CASE WHEN current_setting('server_version_num')::integer >= 160000
                THEN 'USAGE, SET' ELSE 'MEMBER' END)
        AND NOT (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = session_user));

-- ---------------------------------------------------------------- resolving

-- The credential of one account for an exchange that fits, or why there is none. Of
-- several outcomes the one that came closest is told. A full key goes before a
-- read-only one unless the permission is said.
CREATE OR REPLACE FUNCTION public.pick_credential(
    p_owner_id uuid, p_exchange_id integer, p_subaccount integer, p_permission text,
    OUT outcome text, OUT credential_id uuid, OUT version integer, OUT subaccount_index integer,
    OUT permission text, OUT expires_at timestamp, OUT choices text[]
)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    held record;
    reasons constant text[] := ARRAY[
        'no_credential', 'no_such_subaccount', 'credential_inactive', 'needs_other_permission',
        'secrets_destroyed', 'ok', 'several_credentials'];
    closest integer := 1;
    reached integer;
BEGIN
    FOR held IN
        SELECT c.id, c.version, c.subaccount_index, c.permission, c.expires_at, c.is_active,
            EXISTS (SELECT FROM public.credential_data_keys AS k WHERE k.id = c.data_key_id) AS readable
        FROM public.account_exchange_credentials AS c
        WHERE c.account_id = p_owner_id AND c.exchange_id = p_exchange_id
        ORDER BY c.permission, c.subaccount_index NULLS FIRST
    LOOP
        reached := CASE
            WHEN p_subaccount IS NOT NULL AND held.subaccount_index IS DISTINCT FROM p_subaccount THEN 2
            WHEN NOT held.is_active THEN 3
            WHEN held.permission <> p_permission THEN 4
            WHEN NOT held.readable THEN 5
            ELSE 6
        END;
        IF reached = 6 AND closest < 6 THEN
            credential_id := held.id;
            version := held.version;
            subaccount_index := held.subaccount_index;
            permission := held.permission;
            expires_at := held.expires_at;
            choices := ARRAY[coalesce(held.subaccount_index::text, 'none')];
        ELSIF reached = 6 AND held.permission = permission THEN
            reached := 7;
            choices := choices || coalesce(held.subaccount_index::text, 'none');
        END IF;
        closest := greatest(closest, reached);
    END LOOP;
    outcome := reasons[closest];
END
$$;

-- Which credential an account would use for an exchange, and why: its own, or else (or
-- when a lender is named) the one that is shared with it; never further than one hop.
-- p_access asks for less: full, read_only or positions_only; NULL takes what there is.
CREATE OR REPLACE FUNCTION public.resolve_credential(
    p_account_id uuid, p_exchange_id integer, p_subaccount integer, p_access text, p_lender text,
    OUT outcome text, OUT source text, OUT owner_id uuid, OUT owner_name text,
    OUT credential_id uuid, OUT version integer, OUT subaccount_index integer,
    OUT permission text, OUT access text, OUT share_id uuid, OUT sharing_type text,
    OUT expires_at timestamp, OUT choices text[]
)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    wanted_permission constant text :=
        CASE WHEN p_access = 'full' THEN 'full' WHEN p_access IS NOT NULL THEN 'read_only' END;
    lender_is_active boolean;
    picked record;
BEGIN
    source := 'own';
    owner_id := p_account_id;
    outcome := 'no_credential';
    IF p_lender IS NULL THEN
        picked := public.pick_credential(p_account_id, p_exchange_id, p_subaccount, wanted_permission);
        outcome := picked.outcome;
    END IF;
    IF outcome = 'no_credential' THEN
        SELECT 'shared', l.id, l.account_name, l.is_active, s.id, s.sharing_type
        INTO source, owner_id, owner_name, lender_is_active, share_id, sharing_type
        FROM public.account_exchange_sharing AS s
        JOIN public.accounts AS l ON l.id = s.shared_account_id
        WHERE s.primary_account_id = p_account_id AND s.exchange_id = p_exchange_id
            AND (p_lender IS NULL OR l.account_name = p_lender);
        IF NOT FOUND THEN
            outcome := CASE WHEN p_lender IS NULL THEN 'no_credential' ELSE 'not_shared' END;
        ELSIF NOT lender_is_active THEN
            outcome := 'lender_inactive';
        ELSIF sharing_type <> 'full' AND p_access = 'full' THEN
            outcome := 'share_is_narrower';
        ELSE
            picked := public.pick_credential(owner_id, p_exchange_id, p_subaccount,
                CASE WHEN sharing_type = 'full' THEN wanted_permission ELSE 'read_only' END);
            outcome := picked.outcome;
        END IF;
    END IF;
    IF outcome IN ('ok', 'several_credentials') THEN
        credential_id := picked.credential_id;
        version := picked.version;
        subaccount_index := picked.subaccount_index;
        permission := picked.permission;
        expires_at := picked.expires_at;
        choices := picked.choices;
    END IF;
    IF outcome = 'ok' THEN
        access := CASE
            WHEN 'positions_only' IN (sharing_type, p_access) THEN 'positions_only'
            WHEN 'read_only' IN (sharing_type, p_access, permission) THEN 'read_only'
            ELSE 'full'
        END;
    END IF;
END
$$;

-- The exchanges for which an account has a credential or a share.
CREATE OR REPLACE FUNCTION public.exchanges_of(p_account_id uuid) RETURNS SETOF text
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT d.name FROM public.dexes AS d
    WHERE EXISTS (SELECT FROM public.account_exchange_credentials AS c
                  WHERE c.account_id = p_account_id AND c.exchange_id = d.id)
        OR EXISTS (SELECT FROM public.account_exchange_sharing AS s
                   WHERE s.primary_account_id = p_account_id AND s.exchange_id = d.id)
    ORDER BY d.name;
END;

-- ---------------------------------------------------------------- releases

-- Finds who received a version of a credential: only CredentialReleased has such a version.
-- (The condition is one that no other index has. With the event's type in it, the planner
-- takes the index of the types while it has not seen how many releases there are.)
CREATE INDEX IF NOT EXISTS audit_events_released_credential
    ON public.audit_events ((data ->> 'credential_id'), (data ->> 'credential_version'), stream_id)
    WHERE data ->> 'credential_version' IS NOT NULL;

-- Which releases were asked for, for as long as they could be collected: what the log of the
-- server (WAL) must have on disk before (see collect_releases), and whether they were collected.
-- Not logged, so that collecting costs no flush: a crash ends the time limit anyway.
CREATE UNLOGGED TABLE IF NOT EXISTS public.release_collections (
    release_id UUID PRIMARY KEY,
    durable_at PG_LSN NOT NULL,
    asked_at TIMESTAMPTZ NOT NULL,
    is_collected BOOLEAN NOT NULL
);
CREATE INDEX IF NOT EXISTS idx_release_collections_asked ON public.release_collections (asked_at);
ALTER TABLE public.release_collections OWNER TO registry_owner;
REVOKE ALL ON public.release_collections FROM PUBLIC;

-- What a client says of itself, fit for the eyes of an auditor: short, on one line, and
-- without characters that steer a terminal or turn the direction of what follows. (It is cut
-- first: nobody makes the server look through a text of a gigabyte.)
CREATE OR REPLACE FUNCTION public.release_claim(p_text text, p_length integer DEFAULT 255) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN left(regexp_replace(coalesce(nullif(btrim(left(p_text, 4 * p_length)), ''), 'unknown'),
    '[\u0001-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]', '?', 'g'), p_length);

-- The account of this name if the session may use it. A bot cannot find out by the
-- answer whether an account exists that it may not use.
CREATE OR REPLACE FUNCTION public.session_account(
    p_account text, OUT outcome text, OUT account_id uuid, OUT metadata jsonb
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT a.id, a.metadata,
        CASE
            WHEN NOT public.session_may_use(a.id) THEN 'not_permitted'
            WHEN a.id IS NULL THEN 'account_not_found'
            WHEN NOT a.is_active THEN 'account_inactive'
            ELSE 'ok'
        END
    INTO account_id, metadata, outcome
    -- One row in any case: who may use every account is told that there is none.
    FROM (VALUES (p_account)) AS n (name)
    LEFT JOIN public.accounts AS a ON a.account_name = n.name;
    IF outcome <> 'ok' THEN
        account_id := NULL;
        metadata := NULL;
    END IF;
END
$$;

-- The same, and if the session may use the account, nothing changes from here on until its
-- transaction ends. Who may not is told so without the lock, so that he delays nobody; under
-- the lock it is looked at again, as it may have changed while it was waited for.
CREATE OR REPLACE FUNCTION public.session_account_locked(p_account text) RETURNS record
LANGUAGE plpgsql AS $$
DECLARE
    account record := public.session_account(p_account);
BEGIN
    IF account.outcome = 'ok' THEN
        PERFORM FROM public.audit_head AS h WHERE h.only_row FOR UPDATE;
        account := public.session_account(p_account);
    END IF;
    RETURN account;
END
$$;

-- Appends one event to the releases of an account and returns its position. The caller has
-- locked the head, so the version needs no check.
CREATE OR REPLACE FUNCTION public.append_release(
    p_release_id uuid, p_event_type text, p_account_id uuid, p_data json, p_actor text,
    p_reason text, p_command_id uuid, p_command_index integer, p_related_account_id uuid,
    p_released_at timestamptz
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    size bigint;
    peaks bytea[];
    appended_at timestamptz;
    version integer;
BEGIN
    SELECT h.size, h.peaks, h.appended_at,
        coalesce(
            (SELECT e.stream_version
             FROM public.audit_events AS e
             WHERE e.stream_type = 'release' AND e.stream_id = p_account_id
             ORDER BY e.stream_version DESC
             LIMIT 1), 0)
    INTO STRICT size, peaks, appended_at, version
    FROM public.audit_head AS h
    WHERE h.only_row;
    RETURN public.audit_write(
        size, peaks, appended_at, p_release_id, 'release', p_account_id, version + 1, p_event_type, 1,
        p_data, public.release_claim(p_actor), p_reason, p_command_id, p_command_index,
        sha256(convert_to(p_data::text, 'UTF8')), p_related_account_id, p_released_at);
END
$$;

-- Step one: decides, and records that a secret leaves. One row for each exchange (all
-- that the account can use, unless some are named) with its outcome; where it is 'ok',
-- the release can be collected once this transaction is committed. A refusal that is
-- about the account as a whole is one row without an exchange.
CREATE OR REPLACE FUNCTION public.request_release(
    p_account text, p_exchanges text[], p_subaccount integer, p_access text, p_lender text,
    p_actor text, p_host text, p_purpose text, p_reason text DEFAULT NULL
) RETURNS TABLE (
    exchange text, outcome text, release_id uuid, event_position bigint, source text, owner_name text,
    credential_id uuid, version integer, subaccount_index integer, permission text, access text,
    sharing_type text, expires_at timestamp, choices text[], other_users integer
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- Planning with the values known would take longer than it saves.
SET plan_cache_mode = force_generic_plan
-- All is looked up by key (see collect_releases).
SET enable_seqscan = off
SET jit = off AS $$
#variable_conflict use_column
DECLARE
    account record;
    exchange_id integer;
    owner_id uuid;
    share_id uuid;
    lender_id uuid;
    released_at timestamptz;
    used uuid[] := '{}';
    command_id constant uuid := gen_random_uuid();
    command_index integer := 0;
    purpose constant text := public.release_claim(p_purpose);
    host constant text := public.release_claim(p_host);
    reason constant text := CASE WHEN p_reason <> '' THEN public.release_claim(p_reason, 1000) END;
BEGIN
    -- What takes long is refused or done before the lock, on which everybody else waits.
    IF cardinality(p_exchanges) > 256 THEN
        RAISE EXCEPTION USING ERRCODE = 'RG021',
            MESSAGE = 'more than 256 exchanges are asked for at once',
            HINT = 'A load without names gives all that the account can use.';
    END IF;
    IF p_access NOT IN ('full', 'read_only', 'positions_only') THEN
        RAISE EXCEPTION USING ERRCODE = 'RG021',
            MESSAGE = 'there is no such access',
            HINT = 'It is full, read_only or positions_only.';
    END IF;
    account := public.session_account_locked(p_account);
    IF account.outcome <> 'ok' THEN
        outcome := account.outcome;
        RETURN NEXT;
        RETURN;
    END IF;
    IF p_exchanges IS NULL THEN
        p_exchanges := ARRAY(SELECT * FROM public.exchanges_of(account.account_id));
    ELSE
        p_exchanges := ARRAY(
            SELECT n.name FROM unnest(p_exchanges) WITH ORDINALITY AS n (name, place)
            GROUP BY n.name ORDER BY min(n.place));
    END IF;
    released_at := clock_timestamp();
    FOREACH exchange IN ARRAY p_exchanges LOOP
        SELECT d.id, r.outcome, r.source, r.owner_id, r.owner_name, r.credential_id, r.version,
            r.subaccount_index, r.permission, r.access, r.share_id, r.sharing_type, r.expires_at, r.choices
        INTO exchange_id, outcome, source, owner_id, owner_name, credential_id, version,
            subaccount_index, permission, access, share_id, sharing_type, expires_at, choices
        FROM public.dexes AS d
        CROSS JOIN LATERAL public.resolve_credential(
            account.account_id, d.id, p_subaccount, p_access, p_lender) AS r
        WHERE d.name = exchange;
        IF NOT FOUND THEN
            outcome := 'exchange_not_found';
        END IF;
        release_id := NULL;
        event_position := NULL;
        other_users := NULL;
        IF outcome = 'ok' THEN
            release_id := gen_random_uuid();
            lender_id := CASE WHEN source = 'shared' THEN owner_id END;
            event_position := public.append_release(
                release_id, 'CredentialReleased', account.account_id,
                json_build_object(
                    'account', p_account, 'exchange', exchange, 'exchange_id', exchange_id,
                    'credential_id', credential_id, 'credential_version', version,
                    'subaccount_index', subaccount_index, 'permission', permission,
                    'source', source, 'access', access, 'lender_id', lender_id,
                    'lender', owner_name, 'share_id', share_id, 'sharing_type', sharing_type,
                    'purpose', purpose, 'host', host,
                    'client_address', host(inet_client_addr())),
                p_actor, reason, command_id, command_index, lender_id, released_at);
            command_index := command_index + 1;
            used := used || credential_id;
            other_users := public.other_users(
                account.account_id, owner_id, exchange_id, credential_id, version);
        END IF;
        RETURN NEXT;
    END LOOP;
    IF used <> '{}' THEN
        UPDATE public.account_exchange_credentials AS c
        SET last_used = released_at AT TIME ZONE 'UTC'
        WHERE c.id = ANY (used);
    END IF;
END
$$;

-- How many other active accounts received this version of a credential.
CREATE OR REPLACE FUNCTION public.other_users(
    p_account_id uuid, p_owner_id uuid, p_exchange_id integer, p_credential_id uuid, p_version integer
) RETURNS integer
LANGUAGE plpgsql STABLE AS $$
DECLARE
    users uuid[] := ARRAY(
        SELECT s.primary_account_id FROM public.account_exchange_sharing AS s
        WHERE s.shared_account_id = p_owner_id AND s.exchange_id = p_exchange_id);
BEGIN
    users := array_remove(users || p_owner_id, p_account_id);
    IF users = '{}' THEN
        RETURN 0;
    END IF;
    RETURN (
        SELECT count(*)
        FROM public.accounts AS a
        WHERE a.id = ANY (users) AND a.is_active
            AND EXISTS (
                SELECT FROM public.audit_events AS e
                WHERE e.data ->> 'credential_id' = p_credential_id::text
                    AND e.data ->> 'credential_version' = p_version::text AND e.stream_id = a.id
                -- One look into the index for each account, not a join with all releases.
                OFFSET 0));
END
$$;

-- The hosts (as they say themselves) that received this version for this account within the
-- last day, and not to show it: two of them may be one bot that runs twice. Looks no further
-- back than the account's last 30 releases: what a load waits for must not grow with the log.
CREATE OR REPLACE FUNCTION public.recent_hosts(
    p_account_id uuid, p_credential_id uuid, p_version integer
) RETURNS text[]
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN ARRAY(
        SELECT DISTINCT d.host
        FROM (
            SELECT r.event_type, r.data, r.recorded_at
            FROM public.audit_events AS r
            WHERE r.stream_type = 'release' AND r.stream_id = p_account_id
            ORDER BY r.stream_version DESC
            LIMIT 30) AS e
        CROSS JOIN LATERAL json_to_record(e.data) AS d (
            credential_id text, credential_version text, purpose text, host text)
        WHERE e.event_type = 'CredentialReleased' AND e.recorded_at > now() - interval '1 day'
            AND d.credential_id = p_credential_id::text
            AND d.credential_version = p_version::text AND d.purpose NOT LIKE 'reveal %'
        ORDER BY 1);
END
$$;

-- Who else may be using a key now, for those who may look at the log: other accounts, and
-- the hosts of this one.
CREATE OR REPLACE FUNCTION public.key_users(
    p_account_id uuid, p_owner_id uuid, p_exchange_id integer, p_credential_id uuid,
    p_version integer, OUT other_users integer, OUT hosts text[]
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
BEGIN ATOMIC
    SELECT public.other_users(p_account_id, p_owner_id, p_exchange_id, p_credential_id, p_version),
        public.recent_hosts(p_account_id, p_credential_id, p_version);
END;

-- The hosts for who made a release.
CREATE OR REPLACE FUNCTION public.release_hosts(p_release_id uuid) RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    released record;
BEGIN
    SELECT e.event_type, e.recorded_by, e.stream_id, e.data INTO released
    FROM public.audit_events AS e
    WHERE e.event_id = p_release_id;
    IF released.event_type = 'CredentialReleased' AND released.recorded_by = session_user THEN
        RETURN public.recent_hosts(
            released.stream_id, (released.data ->> 'credential_id')::uuid,
            (released.data ->> 'credential_version')::integer);
    END IF;
    RETURN NULL;
END
$$;

-- Step two: the sealed fields of releases that an earlier transaction committed, once, to the
-- role that asked for them, within ten seconds, where they would be granted now too. One row for
-- each, whose outcome says whether it is so: ok, or changed since.
--
-- They are on disk before: a client with synchronous_commit = off can see its commit earlier, and
-- so can any client where others commit at the same time. PostgreSQL 17 and newer flush here. On
-- older servers no function can; there each outcome is then not_durable. The place that must be on
-- disk is remembered, so that a client which commits something synchronously, and asks again, is
-- served for certain, whatever others write meanwhile.
-- https://www.postgresql.org/docs/current/wal-async-commit.html
CREATE OR REPLACE FUNCTION public.collect_releases(p_release_ids uuid[]) RETURNS TABLE (
    release_id uuid, outcome text,
    exchange_id integer, owner_id uuid, subaccount_index integer, permission text, version integer,
    api_key_encrypted text, secret_key_encrypted text, additional_credentials_encrypted jsonb,
    data_key_id uuid, wrapped_key text, master_key_id text
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
-- All is looked up by key. A plan is kept: one that was made while the tables were small
-- would still walk them when they have grown.
SET enable_seqscan = off
-- Compiling such a plan takes a hundred times as long as running it.
SET jit = off AS $$
#variable_conflict use_column
DECLARE
    wanted constant uuid[] := ARRAY(SELECT DISTINCT w.id FROM unnest(p_release_ids) AS w (id));
    released record;
    page_offset numeric;
    durable_at pg_lsn;
    is_durable boolean;
    is_time_to_clean boolean := FALSE;
    moment constant timestamptz := clock_timestamp();
BEGIN
    IF cardinality(p_release_ids) > 256 THEN
        RAISE EXCEPTION USING ERRCODE = 'RG021',
            MESSAGE = 'more than 256 releases are collected at once';
    ELSIF wanted = '{}' THEN
        RETURN;
    END IF;
    -- One after the other, each by its key and nothing else: a join, or a second condition, is
    -- planned by how large the tables were when the session began, and may read all of them later.
    FOREACH release_id IN ARRAY wanted LOOP
        -- Not recorded_at, which never goes back: after a clock that was ahead it would stay young.
        SELECT e.position, e.event_type, e.recorded_by,
            abs(extract(epoch FROM moment - e.occurred_at)) AS age,
            -- The commit of what is seen here lies before this place. It is taken at once: what
            -- is read later, below this line too, may write to the WAL itself (it prunes a
            -- page), which nobody hurries to flush.
            pg_current_wal_insert_lsn() AS place
        INTO released
        FROM public.audit_events AS e
        WHERE e.event_id = release_id;
        IF NOT FOUND OR released.event_type <> 'CredentialReleased'
            OR released.recorded_by <> session_user::text THEN
            RAISE EXCEPTION USING ERRCODE = 'RG021',
                MESSAGE = format('no release %s was recorded for %s', release_id, session_user);
        ELSIF released.age > 10 THEN
            RAISE EXCEPTION USING ERRCODE = 'RG021',
                MESSAGE = format('the release %s was not collected in time', release_id),
                HINT = 'Request it again.';
        END IF;
        is_time_to_clean := is_time_to_clean OR released.position % 64 = 0;
    END LOOP;
    -- An older snapshot would not see what has been revoked since: it is refused (40001) if
    -- anything was appended since it was taken.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        PERFORM FROM public.audit_head AS h WHERE h.only_row FOR SHARE;
    END IF;
    -- A transaction that has appended holds the head's lock: it is the last that did.
    IF EXISTS (SELECT FROM public.audit_head AS h
               WHERE h.only_row AND h.appended_by = pg_current_xact_id_if_assigned()) THEN
        RAISE EXCEPTION USING ERRCODE = 'RG021',
            MESSAGE = 'a release is collected after the transaction that requested it is committed',
            HINT = 'Commit first: no commit, no secret.';
    END IF;
    -- On a fresh page the insert position stands behind a header that nobody flushes.
    page_offset := (released.place - '0/0'::pg_lsn) % current_setting('wal_block_size')::numeric;
    SELECT CASE WHEN count(*) = cardinality(wanted) THEN max(c.durable_at)
        WHEN page_offset <= 40 THEN released.place - page_offset
        ELSE released.place END
    INTO durable_at
    FROM public.release_collections AS c
    WHERE c.release_id = ANY (wanted);
    is_durable := pg_current_wal_flush_lsn() >= durable_at;
    IF NOT is_durable AND current_setting('server_version_num')::integer >= 170000 THEN
        EXECUTE $flush$ SELECT pg_logical_emit_message(false, 'account_registry', '', true) $flush$;
        is_durable := TRUE;
    END IF;
    FOREACH release_id IN ARRAY wanted LOOP
        INSERT INTO public.release_collections AS c VALUES (release_id, durable_at, moment, is_durable)
        ON CONFLICT ON CONSTRAINT release_collections_pkey
        DO UPDATE SET is_collected = excluded.is_collected WHERE NOT c.is_collected;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'RG021',
                MESSAGE = format('the release %s was collected already', release_id),
                HINT = 'Request it again.';
        END IF;
        outcome := 'not_durable';
        IF is_durable THEN
            SELECT e.stream_id, (e.data ->> 'credential_id')::uuid AS credential_id,
                (e.data ->> 'credential_version')::integer AS version,
                (e.data ->> 'share_id')::uuid AS share_id, e.data ->> 'sharing_type' AS sharing_type
            INTO released
            FROM public.audit_events AS e
            WHERE e.event_id = release_id;
            SELECT 'ok', c.exchange_id, c.account_id, c.subaccount_index, c.permission, c.version,
                c.api_key_encrypted, c.secret_key_encrypted, c.additional_credentials_encrypted,
                k.id, k.wrapped_key, k.master_key_id
            INTO outcome, exchange_id, owner_id, subaccount_index, permission, version,
                api_key_encrypted, secret_key_encrypted, additional_credentials_encrypted,
                data_key_id, wrapped_key, master_key_id
            FROM public.account_exchange_credentials AS c
            JOIN public.accounts AS o ON o.id = c.account_id AND o.is_active
            JOIN public.accounts AS b ON b.id = released.stream_id AND b.is_active
            JOIN public.credential_data_keys AS k ON k.id = c.data_key_id
            WHERE c.id = released.credential_id AND c.version = released.version AND c.is_active
                AND public.session_may_use(b.id)
                AND (released.share_id IS NULL OR EXISTS (
                    SELECT FROM public.account_exchange_sharing AS s
                    WHERE s.id = released.share_id AND s.sharing_type = released.sharing_type));
            outcome := coalesce(outcome, 'changed');
        END IF;
        RETURN NEXT;
    END LOOP;
    IF is_time_to_clean THEN
        -- Now and then, those go that are too old to be collected.
        DELETE FROM public.release_collections AS c
        WHERE c.asked_at < moment - interval '1 minute';
    END IF;
END
$$;

-- The definition of an exchange that a user added: its fields and variables, no secret.
CREATE OR REPLACE FUNCTION public.exchange_definition(p_exchange text) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (
    SELECT e.data FROM public.audit_events AS e
    WHERE e.stream_type = 'exchange' AND e.data ->> 'exchange' = p_exchange
    ORDER BY e.position DESC LIMIT 1);

-- Records that a bot takes credentials from its environment, which it may only where
-- the registry has none for that account and exchange. p_suffix is what the variables
-- end with (NULL for a file): no other account's name may lead to the same one.
CREATE OR REPLACE FUNCTION public.record_fallback(
    p_account text, p_exchange text, p_suffix text, p_origin text,
    p_actor text, p_host text, p_purpose text
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    account record;
    wanted_id integer;
    own_suffix constant text :=
        upper(regexp_replace(p_account, '[^A-Za-z0-9]', '_', 'g') COLLATE "C");
BEGIN
    account := public.session_account_locked(p_account);
    IF account.outcome <> 'ok' THEN
        RETURN account.outcome;
    ELSIF p_suffix <> own_suffix THEN
        -- Otherwise the answer would tell whether an account of that name exists.
        RETURN 'not_permitted';
    END IF;
    SELECT d.id INTO wanted_id FROM public.dexes AS d WHERE d.name = p_exchange;
    IF wanted_id IS NULL THEN
        RETURN 'exchange_not_found';
    ELSIF EXISTS (
        SELECT FROM public.account_exchange_credentials AS c
        WHERE c.account_id = account.account_id AND c.exchange_id = wanted_id
        UNION ALL
        SELECT FROM public.account_exchange_sharing AS s
        WHERE s.primary_account_id = account.account_id AND s.exchange_id = wanted_id
    ) THEN
        RETURN 'registry_has_credential';
    ELSIF EXISTS (
        SELECT FROM public.accounts AS a
        WHERE a.id <> account.account_id
            AND upper(regexp_replace(a.account_name, '[^A-Za-z0-9]', '_', 'g') COLLATE "C") = p_suffix
    ) THEN
        RETURN 'ambiguous_name';
    END IF;
    PERFORM public.append_release(
        gen_random_uuid(), 'EnvironmentFallbackUsed', account.account_id,
        json_build_object(
            'account', p_account, 'exchange', p_exchange, 'exchange_id', wanted_id,
            'origin', public.release_claim(p_origin), 'purpose', public.release_claim(p_purpose),
            'host', public.release_claim(p_host), 'client_address', host(inet_client_addr())),
        p_actor, NULL, gen_random_uuid(), 0, NULL, clock_timestamp());
    RETURN 'ok';
END
$$;

-- ---------------------------------------------------------------- sharing

-- The rules of sharing, looked at when a transaction commits: one hop only, and nobody
-- lends what he has not. A share that is granted or changed just now also needs an
-- active lender with an active credential; one that is rebuilt from the log does not,
-- since the lender may have been stopped since.
CREATE OR REPLACE FUNCTION public.sharing_check() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text;
BEGIN
    SELECT CASE
        WHEN EXISTS (
            SELECT FROM public.account_exchange_sharing AS o
            WHERE o.primary_account_id = s.shared_account_id AND o.exchange_id = s.exchange_id)
            THEN format('%s borrows itself, and what is borrowed cannot be lent on', l.account_name)
        WHEN EXISTS (
            SELECT FROM public.account_exchange_sharing AS o
            WHERE o.shared_account_id = s.primary_account_id AND o.exchange_id = s.exchange_id)
            THEN format('%s lends to others, and cannot borrow for the same exchange', b.account_name)
        WHEN NOT EXISTS (
            SELECT FROM public.account_exchange_credentials AS c
            WHERE c.account_id = s.shared_account_id AND c.exchange_id = s.exchange_id)
            THEN format('%s has no credential to lend', l.account_name)
        WHEN l.is_active AND EXISTS (
            SELECT FROM public.account_exchange_credentials AS c
            WHERE c.account_id = s.shared_account_id AND c.exchange_id = s.exchange_id AND c.is_active)
            THEN NULL
        WHEN EXISTS (
            SELECT FROM public.audit_events AS e
            WHERE e.stream_type = 'account' AND e.stream_id = s.primary_account_id
                AND e.event_type IN ('SharingGranted', 'SharingChanged')
                AND e.data ->> 'share_id' = s.id::text
                -- Of this transaction, by its id too: after a clock that was ahead every
                -- event would be one of just now.
                AND e.recorded_at >= transaction_timestamp()
                AND age(e.xmin) <= age(pg_current_xact_id()::xid))
            THEN format('%s is not active, or its credential is not', l.account_name)
    END INTO problem
    FROM public.account_exchange_sharing AS s
    JOIN public.accounts AS l ON l.id = s.shared_account_id
    JOIN public.accounts AS b ON b.id = s.primary_account_id
    WHERE s.id = NEW.id;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'RG023', MESSAGE = problem;
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION public.sharing_keeps_credential() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    borrowers text;
BEGIN
    SELECT string_agg(b.account_name, ', ' ORDER BY b.account_name) INTO borrowers
    FROM public.account_exchange_sharing AS s
    JOIN public.accounts AS b ON b.id = s.primary_account_id
    WHERE s.shared_account_id = OLD.account_id AND s.exchange_id = OLD.exchange_id
        AND NOT EXISTS (
            SELECT FROM public.account_exchange_credentials AS c
            WHERE c.account_id = OLD.account_id AND c.exchange_id = OLD.exchange_id);
    IF borrowers IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'RG023',
            MESSAGE = format('the credential is lent to %s', borrowers),
            HINT = 'End these shares first, or use --cascade.';
    END IF;
    RETURN NULL;
END
$$;

DROP TRIGGER IF EXISTS account_exchange_sharing_rules ON public.account_exchange_sharing;
CREATE CONSTRAINT TRIGGER account_exchange_sharing_rules
    AFTER INSERT OR UPDATE ON public.account_exchange_sharing
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.sharing_check();
DROP TRIGGER IF EXISTS account_exchange_credentials_lent ON public.account_exchange_credentials;
CREATE CONSTRAINT TRIGGER account_exchange_credentials_lent
    AFTER DELETE ON public.account_exchange_credentials
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.sharing_keeps_credential();

-- ---------------------------------------------------------------- positions

-- Keeps an account's open positions within its max_positions and max_exposure_usd. One
-- transaction at a time decides for an account (the lock), on what the others committed.
CREATE OR REPLACE FUNCTION public.position_limits() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    account record;
    others record;
    most_positions numeric;
    most_exposure numeric;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.account_id IS DISTINCT FROM OLD.account_id THEN
        IF public.session_is_bot()
            AND NOT pg_has_role(session_user, 'registry_operator', 'MEMBER') THEN
            RAISE EXCEPTION USING ERRCODE = 'RG024',
                MESSAGE = 'a bot cannot give a position to another account',
                HINT = 'Use: account-registry link-positions';
        END IF;
        -- Linking what exists is bookkeeping, not trading.
        RETURN NEW;
    ELSIF NEW.account_id IS NULL OR NEW.status = 'closed' THEN
        RETURN NEW;
    -- A size below zero is as much exposure as one above, and makes no room for another.
    ELSIF TG_OP = 'UPDATE' AND OLD.status IS DISTINCT FROM 'closed'
        AND abs(NEW.size_usd) <= abs(OLD.size_usd) THEN
        RETURN NEW;
    ELSIF current_setting('transaction_isolation') = 'repeatable read' THEN
        RAISE EXCEPTION USING ERRCODE = 'RG022',
            MESSAGE = 'limits cannot be kept in a repeatable read transaction',
            HINT = 'Use read committed (the default) or serializable.';
    END IF;
    -- Row security refuses it too, but only after this: first the errors below would tell
    -- another account's name and limits.
    IF public.session_is_bot() AND NOT public.session_may_use(NEW.account_id) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = 'a bot opens positions of its own accounts only',
            HINT = 'Give its role the account with: account-registry grant-access';
    END IF;
    PERFORM pg_advisory_xact_lock(7234117, hashtext(NEW.account_id::text));
    SELECT a.account_name, a.is_active, a.metadata INTO account
    FROM public.accounts AS a WHERE a.id = NEW.account_id;
    IF NOT FOUND THEN
        RETURN NEW;  -- the foreign key says so
    ELSIF NOT account.is_active THEN
        RAISE EXCEPTION USING ERRCODE = 'RG025',
            MESSAGE = format('account %s is inactive', account.account_name),
            HINT = 'Positions can be closed, not opened or enlarged.';
    END IF;
    most_positions := public.account_limit(account.metadata, 'max_positions');
    most_exposure := public.account_limit(account.metadata, 'max_exposure_usd');
    SELECT count(*) AS number, coalesce(sum(abs(p.size_usd)), 0) AS exposure INTO others
    FROM public.strategy_positions AS p
    WHERE p.account_id = NEW.account_id AND p.status IS DISTINCT FROM 'closed' AND p.id <> NEW.id;
    IF others.number + 1 > most_positions THEN
        RAISE EXCEPTION USING ERRCODE = 'RG022',
            MESSAGE = format('account %s has %s open positions, and max_positions is %s',
                account.account_name, others.number, most_positions),
            HINT = 'Close one, or change the limit with: account-registry update-account --metadata';
    ELSIF others.exposure + abs(NEW.size_usd) > most_exposure THEN
        RAISE EXCEPTION USING ERRCODE = 'RG022',
            MESSAGE = format('account %s would have %s USD in open positions, and max_exposure_usd is %s',
                account.account_name, trim_scale(others.exposure + abs(NEW.size_usd)), most_exposure),
            HINT = 'Close one, or change the limit with: account-registry update-account --metadata';
    END IF;
    RETURN NEW;
END
$$;

-- A limit of an account's metadata; NULL if there is none.
CREATE OR REPLACE FUNCTION public.account_limit(p_metadata jsonb, p_name text) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (p_metadata ->> p_name)::numeric;
EXCEPTION WHEN invalid_text_representation THEN
    RAISE EXCEPTION USING ERRCODE = 'RG022',
        MESSAGE = format('%s in the account''s metadata is not a number', p_name),
        HINT = 'Correct it with: account-registry update-account --metadata';
END
$$;

CREATE OR REPLACE TRIGGER strategy_positions_insert_limits
    BEFORE INSERT ON public.strategy_positions
    FOR EACH ROW WHEN (NEW.account_id IS NOT NULL)
    EXECUTE FUNCTION public.position_limits();
CREATE OR REPLACE TRIGGER strategy_positions_update_limits
    BEFORE UPDATE ON public.strategy_positions
    FOR EACH ROW WHEN (
        NEW.account_id IS DISTINCT FROM OLD.account_id
        OR NEW.size_usd IS DISTINCT FROM OLD.size_usd
        OR NEW.status IS DISTINCT FROM OLD.status)
    EXECUTE FUNCTION public.position_limits();

-- A bot sees and writes the positions of its accounts only. Row security is enabled and
-- not forced: the table's owner is not affected, and the permissive policy leaves every
-- other role as it was. Where the table had row security already, its own policies stay
-- the ones that permit.
DO $policies$
BEGIN
    IF NOT (SELECT c.relrowsecurity FROM pg_catalog.pg_class AS c
            WHERE c.oid = 'public.strategy_positions'::regclass) THEN
        ALTER TABLE public.strategy_positions ENABLE ROW LEVEL SECURITY;
        CREATE POLICY registry_everyone ON public.strategy_positions USING (TRUE) WITH CHECK (TRUE);
    END IF;
    DROP POLICY IF EXISTS registry_bots_own ON public.strategy_positions;
    CREATE POLICY registry_bots_own ON public.strategy_positions AS RESTRICTIVE
        USING ((SELECT NOT public.session_is_bot())
            OR account_id IN (SELECT public.session_accounts()));
END
$policies$;

GRANT SELECT, INSERT, UPDATE ON public.strategy_positions TO registry_bot;
GRANT SELECT, INSERT ON public.symbols TO registry_bot;
GRANT SELECT ON public.dexes TO registry_bot;
GRANT SELECT ON public.strategy_positions TO registry_owner;
DO $sequence$
DECLARE
    sequence text := pg_get_serial_sequence('public.symbols', 'id');
BEGIN
    IF sequence IS NOT NULL THEN
        EXECUTE 'GRANT USAGE ON SEQUENCE ' || sequence || ' TO registry_bot';
    END IF;
END
$sequence$;

-- ---------------------------------------------------------------- who may call what

DO $functions$
DECLARE
    called regprocedure;
BEGIN
    FOR called IN
        SELECT p.oid FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = 'public'::regnamespace AND p.proname = ANY (ARRAY[
            'session_may_use', 'session_accounts', 'session_is_bot', 'pick_credential',
            'resolve_credential', 'exchanges_of', 'release_claim', 'session_account',
            'session_account_locked',
            'append_release',
            'request_release', 'other_users', 'recent_hosts', 'key_users', 'release_hosts',
            'collect_releases',
            'exchange_definition', 'record_fallback', 'sharing_check',
            'sharing_keeps_credential', 'position_limits', 'account_limit'])
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO registry_owner', called);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', called);
    END LOOP;
END
$functions$;
-- For the policy on positions, which every role's query evaluates.
GRANT EXECUTE ON FUNCTION public.session_is_bot(), public.session_accounts() TO PUBLIC;
GRANT EXECUTE ON FUNCTION
    public.request_release(text, text[], integer, text, text, text, text, text, text),
    public.collect_releases(uuid[]), public.release_hosts(uuid), public.exchange_definition(text), public.session_account(text),
    public.record_fallback(text, text, text, text, text, text, text)
    TO registry_bot, registry_operator;
GRANT EXECUTE ON FUNCTION
    public.resolve_credential(uuid, integer, integer, text, text),
    public.pick_credential(uuid, integer, integer, text),
    public.exchanges_of(uuid), public.key_users(uuid, uuid, integer, uuid, integer)
    TO registry_operator, registry_auditor;
