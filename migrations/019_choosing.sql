-- Which of several credentials a load wants, said for each exchange; and no release of one that
-- the caller has no master key for.
--
-- Errors: RG021 a release is refused.

-- The subaccount that is wanted for an exchange: NULL if none is said, -1 for the credential
-- without a number. A choice is an object: exchange -> number or null, '' for all other exchanges.
CREATE OR REPLACE FUNCTION public.wanted_subaccount(p_subaccounts jsonb, p_exchange text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN p_subaccounts ? p_exchange THEN coalesce((p_subaccounts ->> p_exchange)::integer, -1)
    WHEN p_subaccounts ? '' THEN coalesce((p_subaccounts ->> '')::integer, -1)
END;
ALTER FUNCTION public.wanted_subaccount OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.wanted_subaccount FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.wanted_subaccount TO registry_operator, registry_auditor;

-- The credential of one account for an exchange that fits, or why there is none. Of
-- several outcomes the one that came closest is told. A full key goes before a
-- read-only one unless the permission is said. The subaccount is as wanted_subaccount says it.
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
            WHEN coalesce(held.subaccount_index, -1) <> p_subaccount THEN 2
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
ALTER FUNCTION public.pick_credential OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.pick_credential FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.pick_credential TO registry_operator, registry_auditor;

-- Step one: decides, and records that a secret leaves. One row for each exchange (all
-- that the account can use, unless some are named) with its outcome; where it is 'ok',
-- the release can be collected once this transaction is committed. A refusal that is
-- about the account as a whole is one row without an exchange. Nothing is released if the
-- choice of subaccounts names an exchange that is not asked for; `choices` are those that are. Nor
-- is what was sealed with none of the given master keys, which the caller could not open.
CREATE OR REPLACE FUNCTION public.request_releases(
    p_account text, p_exchanges text[], p_subaccounts jsonb, p_access text, p_lender text,
    p_actor text, p_host text, p_purpose text, p_reason text DEFAULT NULL,
    p_master_keys text[] DEFAULT NULL
) RETURNS TABLE (
    exchange text, outcome text, release_id uuid, event_position bigint, source text, owner_name text,
    credential_id uuid, version integer, subaccount_index integer, permission text, access text,
    sharing_type text, expires_at timestamp, choices text[], other_users integer, master_key_id text
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
    IF length(p_subaccounts::text) > 65536 OR length(p_master_keys::text) > 65536 THEN
        RAISE EXCEPTION USING ERRCODE = 'RG021',
            MESSAGE = 'more subaccounts or master keys are named than an account can have';
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
    SELECT 'not_loaded', s.name, p_exchanges INTO outcome, exchange, choices
    FROM jsonb_object_keys(p_subaccounts) AS s (name)
    WHERE s.name <> '' AND s.name <> ALL (p_exchanges) AND p_exchanges <> '{}'
    ORDER BY s.name
    LIMIT 1;
    IF FOUND THEN
        RETURN NEXT;
        RETURN;
    END IF;
    released_at := clock_timestamp();
    FOREACH exchange IN ARRAY p_exchanges LOOP
        SELECT d.id, r.outcome, r.source, r.owner_id, r.owner_name, r.credential_id, r.version,
            r.subaccount_index, r.permission, r.access, r.share_id, r.sharing_type, r.expires_at, r.choices
        INTO exchange_id, outcome, source, owner_id, owner_name, credential_id, version,
            subaccount_index, permission, access, share_id, sharing_type, expires_at, choices
        FROM public.dexes AS d
        CROSS JOIN LATERAL public.resolve_credential(
            account.account_id, d.id, public.wanted_subaccount(p_subaccounts, exchange), p_access,
            p_lender) AS r
        WHERE d.name = exchange;
        IF NOT FOUND THEN
            outcome := 'exchange_not_found';
        END IF;
        release_id := NULL;
        event_position := NULL;
        other_users := NULL;
        master_key_id := NULL;
        IF outcome = 'ok' AND p_master_keys IS NOT NULL THEN
            SELECT k.master_key_id INTO master_key_id
            FROM public.account_exchange_credentials AS c
            JOIN public.credential_data_keys AS k ON k.id = c.data_key_id
            WHERE c.id = request_releases.credential_id;
            IF master_key_id <> ALL (p_master_keys) THEN
                outcome := 'other_master_key';
            END IF;
        END IF;
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
ALTER FUNCTION public.request_releases OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.request_releases FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.request_releases TO registry_bot, registry_operator;

-- The same with one subaccount for all exchanges, or none.
CREATE OR REPLACE FUNCTION public.request_release(
    p_account text, p_exchanges text[], p_subaccount integer, p_access text, p_lender text,
    p_actor text, p_host text, p_purpose text, p_reason text DEFAULT NULL
) RETURNS TABLE (
    exchange text, outcome text, release_id uuid, event_position bigint, source text, owner_name text,
    credential_id uuid, version integer, subaccount_index integer, permission text, access text,
    sharing_type text, expires_at timestamp, choices text[], other_users integer
)
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
BEGIN ATOMIC
    SELECT r.exchange, r.outcome, r.release_id, r.event_position, r.source, r.owner_name,
        r.credential_id, r.version, r.subaccount_index, r.permission, r.access,
        r.sharing_type, r.expires_at, r.choices, r.other_users
    FROM public.request_releases(p_account, p_exchanges,
        CASE WHEN p_subaccount IS NOT NULL THEN jsonb_build_object('', p_subaccount) END,
        p_access, p_lender, p_actor, p_host, p_purpose, p_reason) AS r;
END;
ALTER FUNCTION public.request_release OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.request_release FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.request_release TO registry_bot, registry_operator;
