-- Stops: what may not be released until somebody resumes it. A stop is an event, and has no table:
-- nothing that damages a table lifts it (docs/decisions/0015-a-stop-is-an-event.md).

-- (The next migration lets its events in: it makes event_is_well_formed anew.)

-- The stops in force, each with who made it, when and why. The last event of the stream of stops
-- tells which they are, so that stops of the past cost nothing.
CREATE OR REPLACE VIEW public.stops_in_force AS
    SELECT known.position, found.stop
    FROM (
        SELECT e.position, e.data
        FROM public.audit_events AS e
        WHERE e.stream_type = 'stop' AND e.stream_id = '8f0a5f0e-6f3b-5c52-9a51-0a1f0a7a6a04'
        ORDER BY e.stream_version DESC
        LIMIT 1
    ) AS newest
    CROSS JOIN LATERAL (
        SELECT newest.position
        UNION ALL
        SELECT CASE WHEN other.position ~ '^[0-9]{1,18}$' THEN other.position::bigint END
        FROM json_array_elements_text(newest.data -> 'standing') AS other (position)
    ) AS known
    CROSS JOIN LATERAL (
        SELECT s.data::jsonb - 'standing' || jsonb_build_object(
            'position', s.position, 'command_id', s.command_id, 'actor', s.actor,
            'reason', s.reason, 'stopped_at', s.recorded_at) AS stop
        FROM public.audit_events AS s
        WHERE s.position = known.position AND s.event_type = 'UseStopped'
        -- One look into the index for each, not a join with all events of the type.
        OFFSET 0
    ) AS found;
ALTER VIEW public.stops_in_force OWNER TO registry_owner;
GRANT SELECT ON public.stops_in_force TO registry_operator, registry_auditor;

-- Whether what was stopped includes this use of an owner's credential by an account. Without a
-- subaccount and a permission, only stops of every credential are asked for.
CREATE OR REPLACE FUNCTION public.stop_includes(
    p_stopped jsonb, p_account_id uuid, p_exchange_id integer, p_owner_id uuid,
    p_subaccount integer, p_permission text
) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE p_stopped ->> 'scope'
    WHEN 'all' THEN TRUE
    WHEN 'exchange' THEN p_stopped ->> 'exchange_id' = p_exchange_id::text
    WHEN 'account' THEN p_stopped ->> 'account_id' IN (p_account_id::text, p_owner_id::text)
    WHEN 'lender' THEN p_stopped ->> 'account_id' = p_owner_id::text AND p_owner_id <> p_account_id
    WHEN 'credential' THEN p_stopped ->> 'account_id' = p_owner_id::text
        AND p_stopped ->> 'exchange_id' = p_exchange_id::text
        AND coalesce(p_stopped ->> 'subaccount_index' = p_subaccount::text,
            p_stopped ->> 'subaccount_index' IS NULL)
        AND coalesce(p_stopped ->> 'permission' = p_permission, p_stopped ->> 'permission' IS NULL)
END;
ALTER FUNCTION public.stop_includes OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.stop_includes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.stop_includes TO registry_operator, registry_auditor;

-- The oldest stop in force that includes this use, or NULL. (In PL/pgSQL, which keeps the plan.)
CREATE OR REPLACE FUNCTION public.stop_of(
    p_account_id uuid, p_exchange_id integer, p_owner_id uuid, p_subaccount integer,
    p_permission text
) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT s.stop
        FROM public.stops_in_force AS s
        WHERE public.stop_includes(
            s.stop, p_account_id, p_exchange_id, p_owner_id, p_subaccount, p_permission)
        ORDER BY s.position
        LIMIT 1);
END
$$;
ALTER FUNCTION public.stop_of OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.stop_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.stop_of TO registry_operator, registry_auditor;

-- The functions below are those of former migrations, and ask stop_of too.

-- Which credential an account would use for an exchange, and why: its own, or else (or when a
-- lender is named) the one that is shared with it. Neither for one that either may not use. What is
-- stopped is told before all else, with the stop in place of the choices.
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
    stop jsonb;
BEGIN
    source := 'own';
    owner_id := p_account_id;
    IF NOT public.account_allows(p_account_id, p_exchange_id) THEN
        outcome := 'exchange_not_allowed';
        RETURN;
    END IF;
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
        ELSIF NOT public.account_allows(owner_id, p_exchange_id) THEN
            outcome := 'exchange_not_allowed';
        ELSIF sharing_type <> 'full' AND p_access = 'full' THEN
            outcome := 'share_is_narrower';
        ELSE
            picked := public.pick_credential(owner_id, p_exchange_id, p_subaccount,
                CASE WHEN public.share_allows(sharing_type, 'full', FALSE) THEN wanted_permission
                    ELSE 'read_only' END);
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
    stop := public.stop_of(p_account_id, p_exchange_id, owner_id,
        CASE WHEN outcome = 'ok' THEN subaccount_index END, CASE WHEN outcome = 'ok' THEN permission END);
    IF stop IS NOT NULL THEN
        outcome := 'stopped';
        choices := ARRAY[stop::text];
    END IF;
END
$$;
ALTER FUNCTION public.resolve_credential OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.resolve_credential FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.resolve_credential TO registry_operator, registry_auditor;

-- Step two of a release, after request_release: what was stopped since is not given.
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
                AND public.account_allows(b.id, c.exchange_id)
                AND public.account_allows(o.id, c.exchange_id)
                AND public.stop_of(
                    b.id, c.exchange_id, o.id, c.subaccount_index, c.permission) IS NULL
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

-- Records that a bot takes credentials from its environment, for nothing that is stopped.
CREATE OR REPLACE FUNCTION public.record_fallback(
    p_account text, p_exchange text, p_suffix text, p_origin text,
    p_actor text, p_host text, p_purpose text
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    account record;
    wanted_id integer;
    stop jsonb;
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
    stop := public.stop_of(account.account_id, wanted_id, account.account_id, NULL, NULL);
    IF wanted_id IS NULL THEN
        RETURN 'exchange_not_found';
    ELSIF stop IS NOT NULL THEN
        RETURN 'stopped ' || stop::text;
    ELSIF NOT public.account_allows(account.account_id, wanted_id) THEN
        RETURN 'exchange_not_allowed';
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
