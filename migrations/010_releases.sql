-- Who gets which secret: a release is requested and recorded, and then collected. All of it
-- holds against a client that speaks SQL; docs/threat-model.md says what does not.
--
-- Errors: RG021 a release is refused.

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
ALTER FUNCTION public.release_claim OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.release_claim FROM PUBLIC;

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
ALTER FUNCTION public.append_release OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.append_release FROM PUBLIC;

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
ALTER FUNCTION public.request_release OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.request_release FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.request_release TO registry_bot, registry_operator;

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
ALTER FUNCTION public.other_users OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.other_users FROM PUBLIC;

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
ALTER FUNCTION public.collect_releases OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.collect_releases FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.collect_releases TO registry_bot, registry_operator;

-- The definition of an exchange that a user added: its fields and variables, no secret.
CREATE OR REPLACE FUNCTION public.exchange_definition(p_exchange text) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (
    SELECT e.data FROM public.audit_events AS e
    WHERE e.stream_type = 'exchange' AND e.data ->> 'exchange' = p_exchange
    ORDER BY e.position DESC LIMIT 1);
ALTER FUNCTION public.exchange_definition OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.exchange_definition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.exchange_definition TO registry_bot, registry_operator;

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
ALTER FUNCTION public.record_fallback OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.record_fallback FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.record_fallback TO registry_bot, registry_operator;
