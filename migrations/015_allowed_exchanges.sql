-- The exchanges that an account may use: the list `allowed_exchanges` of its metadata, if it has
-- one. It holds for credentials, shares (on both sides), releases, and positions.
--
-- Errors: RG026 an account may not use an exchange.

-- Whether an account may use an exchange: nothing but this function decides it. What is no list
-- allows nothing. (In PL/pgSQL, which keeps the plan.)
CREATE OR REPLACE FUNCTION public.account_allows(p_account_id uuid, p_exchange_id integer) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    allowed constant jsonb := (
        SELECT a.metadata -> 'allowed_exchanges' FROM public.accounts AS a WHERE a.id = p_account_id);
BEGIN
    RETURN coalesce(allowed, 'null') = 'null'
        OR jsonb_typeof(allowed) = 'array' AND EXISTS (
            SELECT FROM public.dexes AS d WHERE d.id = p_exchange_id AND allowed ? d.name::text);
END
$$;
ALTER FUNCTION public.account_allows OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.account_allows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.account_allows TO registry_operator, registry_auditor;

-- Fails where an account may not use an exchange.
CREATE OR REPLACE FUNCTION public.require_allowed(p_account_id uuid, p_exchange_id integer) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
    holder constant text := (SELECT a.account_name FROM public.accounts AS a WHERE a.id = p_account_id);
BEGIN
    IF NOT public.account_allows(p_account_id, p_exchange_id) THEN
        RAISE EXCEPTION USING ERRCODE = 'RG026',
            MESSAGE = format('account %s may not use %s, which its allowed_exchanges do not name',
                holder, coalesce((SELECT d.name FROM public.dexes AS d WHERE d.id = p_exchange_id),
                    'exchange ' || p_exchange_id)),
            HINT = format('Name it there too: account-registry update-account %s --set', holder);
    END IF;
END
$$;
ALTER FUNCTION public.require_allowed OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.require_allowed FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.require_allowed TO registry_operator;

-- Looked at when a transaction commits: a credential that is stored by it, or a share that is
-- granted or changed, is for an exchange that is allowed. The argument is what events call the
-- row's id. What is rebuilt, adopted, or brought back by a rollback may be outside a list that was
-- narrowed since; nothing is released of it.
CREATE OR REPLACE FUNCTION public.allowed_exchange_check() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
-- All is looked up by key.
SET enable_seqscan = off
SET jit = off AS $$
DECLARE
    holder uuid;
    lender uuid;
BEGIN
    IF TG_TABLE_NAME = 'account_exchange_credentials' THEN
        holder := NEW.account_id;
    ELSE
        holder := NEW.primary_account_id;
        lender := NEW.shared_account_id;
    END IF;
    IF (NOT public.account_allows(holder, NEW.exchange_id)
            OR NOT public.account_allows(lender, NEW.exchange_id))
        AND EXISTS (
            SELECT FROM public.audit_events AS e
            WHERE e.stream_type = 'account' AND e.stream_id = holder
                AND e.data ->> TG_ARGV[0] = NEW.id::text
                AND e.data ->> 'created_at' IS NULL AND e.data ->> 'origin' IS NULL
                -- Of this transaction, as in sharing_check.
                AND e.recorded_at >= transaction_timestamp()
                AND age(e.xmin) <= age(pg_current_xact_id()::xid))
    THEN
        PERFORM public.require_allowed(holder, NEW.exchange_id);
        PERFORM public.require_allowed(lender, NEW.exchange_id);
    END IF;
    RETURN NULL;
END
$$;
ALTER FUNCTION public.allowed_exchange_check OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.allowed_exchange_check FROM PUBLIC;

DROP TRIGGER IF EXISTS account_exchange_credentials_allowed ON public.account_exchange_credentials;
CREATE CONSTRAINT TRIGGER account_exchange_credentials_allowed
    AFTER INSERT OR UPDATE OF version ON public.account_exchange_credentials
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.allowed_exchange_check('credential_id');
DROP TRIGGER IF EXISTS account_exchange_sharing_allowed ON public.account_exchange_sharing;
CREATE CONSTRAINT TRIGGER account_exchange_sharing_allowed
    AFTER INSERT OR UPDATE ON public.account_exchange_sharing
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.allowed_exchange_check('share_id');

-- An account opens, enlarges, moves and takes over positions at the exchanges that it may use.
-- Those that it has can be made smaller and closed. One that the log gives it again is as it was.
-- (As JSON, since a bot's own table may lack the columns.)
CREATE OR REPLACE FUNCTION public.position_exchanges() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off AS $$
DECLARE
    sides text[];
    former text[];
    side text;
BEGIN
    IF NEW.account_id IS NULL OR NEW.status = 'closed'
        -- Row security refuses it, and tells nothing of the account.
        OR public.session_is_bot() AND NOT public.session_may_use(NEW.account_id)
    THEN
        RETURN NEW;
    END IF;
    sides := ARRAY(SELECT e.value FROM jsonb_each_text(to_jsonb(NEW)) AS e
                   WHERE e.key IN ('long_dex_id', 'short_dex_id') ORDER BY e.key);
    IF TG_OP = 'UPDATE' AND NEW.account_id IS NOT DISTINCT FROM OLD.account_id
        AND OLD.status IS DISTINCT FROM 'closed' AND abs(NEW.size_usd) <= abs(OLD.size_usd)
    THEN
        former := ARRAY(SELECT e.value FROM jsonb_each_text(to_jsonb(OLD)) AS e
                        WHERE e.key IN ('long_dex_id', 'short_dex_id') ORDER BY e.key);
        IF sides = former THEN
            RETURN NEW;
        END IF;
    END IF;
    FOREACH side IN ARRAY sides LOOP
        IF NOT public.account_allows(NEW.account_id, side::integer)
            AND (TG_OP = 'INSERT' OR NEW.account_id IS NOT DISTINCT FROM OLD.account_id OR EXISTS (
                SELECT FROM public.audit_events AS e
                WHERE e.stream_type = 'account' AND e.stream_id = NEW.account_id
                    AND e.event_type = 'PositionsLinked'
                    AND (e.data -> 'positions')::jsonb ? NEW.id::text
                    AND e.recorded_at >= transaction_timestamp()
                    AND age(e.xmin) <= age(pg_current_xact_id()::xid)))
        THEN
            PERFORM public.require_allowed(NEW.account_id, side::integer);
        END IF;
    END LOOP;
    RETURN NEW;
END
$$;
ALTER FUNCTION public.position_exchanges OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.position_exchanges FROM PUBLIC;

-- Their names come after those of the limits, which also refuse what is not the bot's, and so they
-- fire after them.
CREATE OR REPLACE TRIGGER strategy_positions_insert_only_allowed
    BEFORE INSERT ON public.strategy_positions
    FOR EACH ROW WHEN (NEW.account_id IS NOT NULL)
    EXECUTE FUNCTION public.position_exchanges();
CREATE OR REPLACE TRIGGER strategy_positions_update_only_allowed
    BEFORE UPDATE ON public.strategy_positions
    FOR EACH ROW WHEN (NEW.account_id IS NOT NULL)
    EXECUTE FUNCTION public.position_exchanges();

-- The functions below are those of former migrations, and ask account_allows too.

-- Which credential an account would use for an exchange, and why: its own, or else (or when a
-- lender is named) the one that is shared with it. Neither for one that either may not use.
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
END
$$;
ALTER FUNCTION public.resolve_credential OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.resolve_credential FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.resolve_credential TO registry_operator, registry_auditor;

-- Step two of a release, after request_release: what is not allowed any more is not given either.
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

-- Records that a bot takes credentials from its environment; for an allowed exchange only.
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

-- What a bot may know of an account that it may use, with the allowed ones of its exchanges.
CREATE OR REPLACE FUNCTION public.account_info(
    p_account text, p_account_id uuid,
    OUT outcome text, OUT account_id uuid, OUT account_name text, OUT description text,
    OUT wallet_address text, OUT is_active boolean, OUT metadata jsonb, OUT exchanges text[]
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT a.id, a.account_name, a.description, a.wallet_address, a.is_active, a.metadata,
        ARRAY(
            SELECT DISTINCT d.name::text
            FROM public.account_exchange_credentials AS c
            JOIN public.dexes AS d ON d.id = c.exchange_id
            WHERE c.account_id = a.id AND c.is_active AND public.account_allows(a.id, c.exchange_id)
            ORDER BY 1)
    INTO account_id, account_name, description, wallet_address, is_active, metadata, exchanges
    FROM public.accounts AS a
    WHERE CASE WHEN p_account IS NULL THEN a.id = p_account_id ELSE a.account_name = p_account END;
    -- As in session_account: a bot cannot find out whether there is an account that it may not use.
    outcome := CASE
        WHEN NOT public.session_may_use(account_id) THEN 'not_permitted'
        WHEN account_id IS NULL THEN 'account_not_found'
        ELSE 'ok'
    END;
    IF outcome <> 'ok' THEN
        account_id := NULL;
        account_name := NULL;
        description := NULL;
        wallet_address := NULL;
        is_active := NULL;
        metadata := NULL;
        exchanges := NULL;
    END IF;
END
$$;
ALTER FUNCTION public.account_info OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.account_info FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.account_info TO registry_bot, registry_operator;
