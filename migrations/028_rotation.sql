-- Rotation: versions of credentials, of which one is pending and former ones are in grace.
--
-- Errors: RG021 a release is refused, RG032 somebody may still hold a former version.
--
-- In a long log, making the indexes takes a while, and appends wait for it. docs/operations.md says
-- how to make them before, without that.

-- Which versions of credentials hold a value, by its fingerprint. (See 013; pending ones too.)
CREATE INDEX IF NOT EXISTS audit_events_sealed
    ON public.audit_events USING gin ((data::jsonb -> 'fingerprints') jsonb_path_ops)
    WITH (fastupdate = off)
    WHERE (event_type IN ('CredentialAdded', 'CredentialReplaced', 'CredentialPrepared')) IS TRUE;

-- Who received a version of a credential, for what, and when last. (See 026 about spans.)
CREATE INDEX IF NOT EXISTS audit_events_by_holder
    ON public.audit_events (
        (data ->> 'credential_id'), (data ->> 'credential_version'), stream_id, recorded_by,
        (data ->> 'purpose'), (position >> 16))
    WHERE data ->> 'credential_version' IS NOT NULL;

DROP INDEX IF EXISTS public.audit_events_fingerprints;
DROP INDEX IF EXISTS public.audit_events_by_release;

-- A projection of audit_events. Its rows outlive the credential and the account. The tokens of a
-- version stay where they are: in the event of the account's stream at `stream_version`.
DO $table$
BEGIN
    IF to_regclass('public.account_exchange_credential_versions') IS NOT NULL THEN
        RETURN;
    END IF;
    CREATE TABLE public.account_exchange_credential_versions (
        id UUID PRIMARY KEY,
        account_id UUID NOT NULL,
        credential_id UUID NOT NULL,
        version INTEGER NOT NULL CHECK (version > 0),
        stream_version INTEGER NOT NULL CHECK (stream_version > 0),
        is_pending BOOLEAN NOT NULL,
        usable_until TIMESTAMP,
        updated_at TIMESTAMP NOT NULL
    );
    -- The versions that the log has already. Where the tables come back, a rebuild fills this one too.
    IF EXISTS (
        SELECT FROM public.registry_migrations AS m
        WHERE m.number = 6 AND m.applied_at < transaction_timestamp()
    ) THEN
        INSERT INTO public.account_exchange_credential_versions
        WITH events AS MATERIALIZED (
            SELECT e.position, (e.data ->> 'data_key_id')::uuid AS id, e.stream_id, e.stream_version,
                e.event_type, e.data, e.occurred_at AT TIME ZONE 'UTC' AS updated_at,
                e.event_type IN ('CredentialAdded', 'CredentialReplaced', 'CredentialPrepared')
                    AS is_sealed
            FROM public.audit_events AS e
            WHERE e.stream_type = 'account' AND e.event_type IN (
                'CredentialAdded', 'CredentialReplaced', 'CredentialPrepared',
                'CredentialVersionKept', 'CredentialVersionRetired')
        )
        SELECT s.id, s.stream_id, (s.data ->> 'credential_id')::uuid, (s.data ->> 'version')::integer,
            s.stream_version, l.event_type = 'CredentialPrepared',
            CASE WHEN l.event_type = 'CredentialVersionKept'
                AND l.data ->> 'usable_until' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$'
                THEN (l.data ->> 'usable_until')::timestamp END,
            l.updated_at
        FROM (SELECT DISTINCT ON (e.id) e.* FROM events AS e
              WHERE e.is_sealed ORDER BY e.id, e.position DESC) AS s
        JOIN (SELECT DISTINCT ON (e.id) e.* FROM events AS e
              ORDER BY e.id, e.position DESC) AS l ON l.id = s.id;
    END IF;
END
$table$;
CREATE INDEX IF NOT EXISTS idx_credential_versions_credential
    ON public.account_exchange_credential_versions (credential_id, version);
COMMENT ON TABLE public.account_exchange_credential_versions IS
    'Every version that a credential ever had. A projection of audit_events.';

CREATE OR REPLACE TRIGGER account_exchange_credential_versions_only_by_event
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON public.account_exchange_credential_versions
    FOR EACH STATEMENT EXECUTE FUNCTION public.projection_refuse_direct_write('rotate-credential');
ALTER TABLE public.account_exchange_credential_versions OWNER TO registry_owner;
REVOKE ALL ON public.account_exchange_credential_versions FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON public.account_exchange_credential_versions TO registry_operator;
GRANT SELECT ON public.account_exchange_credential_versions TO registry_auditor;

-- The state of each version now. A grace ends by the clock, without an event.
CREATE OR REPLACE VIEW public.credential_versions AS
    SELECT v.id, v.account_id, v.credential_id, v.version, v.stream_version,
        CASE
            WHEN c.data_key_id = v.id THEN 'current'
            WHEN c.id IS NULL THEN 'retired'
            WHEN v.is_pending THEN 'pending'
            WHEN v.usable_until > clock_timestamp() AT TIME ZONE 'UTC' THEN 'grace'
            ELSE 'retired'
        END AS state,
        v.usable_until,
        CASE WHEN NOT v.is_pending AND c.data_key_id IS DISTINCT FROM v.id
            AND v.usable_until <= clock_timestamp() AT TIME ZONE 'UTC'
            THEN v.usable_until ELSE v.updated_at END AS since,
        NOT EXISTS (SELECT FROM public.credential_data_keys AS k WHERE k.id = v.id) AS is_destroyed
    FROM public.account_exchange_credential_versions AS v
    LEFT JOIN public.account_exchange_credentials AS c ON c.id = v.credential_id;
ALTER VIEW public.credential_versions OWNER TO registry_owner;
GRANT SELECT ON public.credential_versions TO registry_operator, registry_auditor;

-- The newest release of each version of a credential to each account, login and purpose, among the
-- first events of the log: its position. From one to the next by the index, however many there are.
CREATE OR REPLACE FUNCTION public.newest_releases(p_size bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
    WITH RECURSIVE released (credential, version, account, login, purpose) AS (
        (SELECT e.data ->> 'credential_id', e.data ->> 'credential_version', e.stream_id,
            e.recorded_by, e.data ->> 'purpose'
         FROM public.audit_events AS e
         WHERE e.data ->> 'credential_version' IS NOT NULL
         ORDER BY 1, 2, 3, 4, 5
         LIMIT 1)
        UNION ALL
        SELECT following.*
        FROM released AS r
        CROSS JOIN LATERAL (
            SELECT e.data ->> 'credential_id', e.data ->> 'credential_version', e.stream_id,
                e.recorded_by, e.data ->> 'purpose'
            FROM public.audit_events AS e
            WHERE e.data ->> 'credential_version' IS NOT NULL
                AND (e.data ->> 'credential_id', e.data ->> 'credential_version', e.stream_id,
                        e.recorded_by, e.data ->> 'purpose')
                    > (r.credential, r.version, r.account, r.login, r.purpose)
            ORDER BY 1, 2, 3, 4, 5
            LIMIT 1) AS following
    )
    SELECT newest.position
    FROM released AS r
    CROSS JOIN LATERAL (
        SELECT e.position
        FROM public.audit_events AS e
        WHERE e.data ->> 'credential_id' = r.credential
            AND e.data ->> 'credential_version' = r.version
            AND e.stream_id = r.account AND e.recorded_by = r.login
            AND e.data ->> 'purpose' = r.purpose
            AND e.position >> 16 <= (p_size - 1) >> 16 AND e.position < p_size
        ORDER BY e.position >> 16 DESC, e.position DESC
        LIMIT 1) AS newest
$$;
ALTER FUNCTION public.newest_releases OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.newest_releases FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.newest_releases TO registry_operator, registry_auditor;

-- Who may still hold a version that is not the current one: an account, login and purpose that
-- received it, and received no other version of the credential since. A check keeps nothing.
-- `first_position` and `last_position` are those of its releases. (Each look into the index is for
-- one credential, and finds the next account, login and purpose.)
CREATE OR REPLACE FUNCTION public.versions_held(p_credential_id uuid DEFAULT NULL) RETURNS TABLE (
    credential_id uuid, version integer, account_id uuid, login text, purpose text,
    first_position bigint, last_position bigint
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
    WITH RECURSIVE released (credential, version, account, login, purpose) AS (
        (SELECT e.data ->> 'credential_id', e.data ->> 'credential_version', e.stream_id,
            e.recorded_by, e.data ->> 'purpose'
         FROM public.audit_events AS e
         WHERE e.data ->> 'credential_version' IS NOT NULL
            AND e.data ->> 'credential_id' >= coalesce(p_credential_id::text, '')
         ORDER BY 1, 2, 3, 4, 5
         LIMIT 1)
        UNION ALL
        SELECT following.*
        FROM released AS r
        CROSS JOIN LATERAL (
            SELECT e.data ->> 'credential_id', e.data ->> 'credential_version', e.stream_id,
                e.recorded_by, e.data ->> 'purpose'
            FROM public.audit_events AS e
            WHERE e.data ->> 'credential_version' IS NOT NULL
                AND (e.data ->> 'credential_id', e.data ->> 'credential_version', e.stream_id,
                        e.recorded_by, e.data ->> 'purpose')
                    > (r.credential, r.version, r.account, r.login, r.purpose)
            ORDER BY 1, 2, 3, 4, 5
            LIMIT 1) AS following
        WHERE p_credential_id IS NULL OR r.credential = p_credential_id::text
    ),
    latest AS (
        SELECT DISTINCT ON (r.credential, r.account, r.login, r.purpose) r.*, newest.position
        FROM released AS r
        CROSS JOIN LATERAL (
            SELECT e.position
            FROM public.audit_events AS e
            WHERE e.data ->> 'credential_id' = r.credential
                AND e.data ->> 'credential_version' = r.version
                AND e.stream_id = r.account AND e.recorded_by = r.login
                AND e.data ->> 'purpose' = r.purpose
            ORDER BY e.position >> 16 DESC, e.position DESC
            LIMIT 1) AS newest
        -- A bot's login checks nothing, whatever purpose it names.
        WHERE (r.purpose <> 'check-credential' OR NOT EXISTS (
                SELECT FROM pg_roles AS o
                WHERE o.rolname = r.login AND pg_has_role(o.oid, 'registry_operator', 'MEMBER')))
            AND (p_credential_id IS NULL OR r.credential = p_credential_id::text)
        ORDER BY r.credential, r.account, r.login, r.purpose, newest.position DESC
    )
    SELECT l.credential::uuid, l.version::integer, l.account, l.login, l.purpose, oldest.position,
        l.position
    FROM latest AS l
    CROSS JOIN LATERAL (
        SELECT e.position
        FROM public.audit_events AS e
        WHERE e.data ->> 'credential_id' = l.credential
            AND e.data ->> 'credential_version' = l.version
            AND e.stream_id = l.account AND e.recorded_by = l.login AND e.data ->> 'purpose' = l.purpose
        ORDER BY e.position >> 16, e.position
        LIMIT 1) AS oldest
    WHERE NOT EXISTS (
        SELECT FROM public.account_exchange_credentials AS c
        WHERE c.id = l.credential::uuid AND c.version = l.version::integer)
$$;
ALTER FUNCTION public.versions_held OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.versions_held FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.versions_held TO registry_operator, registry_auditor;

-- Fails if somebody may still hold one of these versions, unless that is allowed; returns who may.
CREATE OR REPLACE FUNCTION public.require_not_held(
    p_credential_id uuid, p_versions integer[], p_allowed boolean
) RETURNS TABLE (version integer, account_name text, login text, purpose text, received_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    FOR version, account_name, login, purpose, received_at IN
        SELECT h.version, coalesce(a.account_name, e.data ->> 'account'), h.login, h.purpose,
            e.recorded_at
        FROM public.versions_held(p_credential_id) AS h
        JOIN public.audit_events AS e ON e.position = h.last_position
        LEFT JOIN public.accounts AS a ON a.id = h.account_id
        WHERE h.version = ANY (p_versions)
        ORDER BY h.version, h.last_position DESC
    LOOP
        IF NOT p_allowed THEN
            RAISE EXCEPTION USING ERRCODE = 'RG032',
                MESSAGE = format('%s may still hold version %s: it received it as %s for %s, last on %s',
                    account_name, version, login, purpose,
                    to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SSZ')),
                HINT = 'Let it load anew; or add --although-held if it does not use it any more. '
                    'See: account-registry list-credentials --held';
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
ALTER FUNCTION public.require_not_held OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.require_not_held FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.require_not_held TO registry_operator;

-- Which other credentials hold a secret of this one, in their current version, a pending one or one in
-- grace. (See 013.)
CREATE OR REPLACE FUNCTION public.holders_of_secrets(
    p_credential_id uuid, p_account text, p_secrets jsonb, p_public jsonb, p_allowed boolean
) RETURNS TABLE (account_name text, exchange text, subaccount_index integer, permission text,
    fields text, is_elsewhere boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
BEGIN
    FOR account_name, exchange, subaccount_index, permission, fields, is_elsewhere IN
        WITH versions AS MATERIALIZED (
            SELECT s.key AS field, e.stream_id, e.data
            FROM jsonb_each(p_secrets) AS s
            CROSS JOIN LATERAL (
                SELECT v.stream_id, v.data
                FROM public.audit_events AS v
                WHERE (v.event_type IN
                        ('CredentialAdded', 'CredentialReplaced', 'CredentialPrepared')) IS TRUE
                    AND v.data::jsonb -> 'fingerprints' @> jsonb_build_object(s.key, s.value)
                OFFSET 0) AS e
        )
        SELECT a.account_name, d.name, c.subaccount_index, c.permission,
            string_agg(DISTINCT v.field, ' and ' ORDER BY v.field),
            bool_or(EXISTS (SELECT FROM jsonb_each_text(p_public) AS p
                WHERE v.data -> 'fingerprints' ->> p.key <> p.value))
        FROM versions AS v
        JOIN public.account_exchange_credentials AS c
            ON c.id = (v.data ->> 'credential_id')::uuid AND c.account_id = v.stream_id
        JOIN public.accounts AS a ON a.id = c.account_id
        JOIN public.dexes AS d ON d.id = c.exchange_id
        WHERE c.id <> p_credential_id
            AND (c.data_key_id = (v.data ->> 'data_key_id')::uuid OR EXISTS (
                SELECT FROM public.account_exchange_credential_versions AS r
                WHERE r.id = (v.data ->> 'data_key_id')::uuid
                    AND (r.is_pending OR r.usable_until > clock_timestamp() AT TIME ZONE 'UTC')))
        GROUP BY a.account_name, d.name, c.subaccount_index, c.permission
        ORDER BY a.account_name, c.permission, c.subaccount_index NULLS FIRST
    LOOP
        IF account_name <> p_account AND NOT is_elsewhere AND NOT p_allowed THEN
            RAISE EXCEPTION USING ERRCODE = 'RG031',
                MESSAGE = format('account %s holds the same %s for %s', account_name, fields, exchange),
                HINT = format('If both are to hold it, add --allow-shared-secret. '
                    'Or let %1$s borrow it: account-registry share %1$s %2$s %3$s',
                    p_account, account_name, exchange);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
ALTER FUNCTION public.holders_of_secrets OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.holders_of_secrets FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.holders_of_secrets TO registry_operator;

-- Step one of a release (see 025) of this version, whether it is the current one or not: one in grace
-- to all who may use the credential, and a pending one to operators, for a check.
CREATE OR REPLACE FUNCTION public.request_version(
    p_account text, p_exchange text, p_version integer, p_subaccounts jsonb, p_access text,
    p_lender text, p_actor text, p_host text, p_purpose text, p_reason text, p_master_keys text[]
) RETURNS TABLE (
    exchange text, outcome text, release_id uuid, event_position bigint, source text, owner_name text,
    credential_id uuid, version integer, subaccount_index integer, permission text, access text,
    sharing_type text, expires_at timestamp, choices text[], other_users integer, master_key_id text
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off AS $$
#variable_conflict use_column
DECLARE
    account record := public.session_account(p_account);
    head public.audit_head;
    answer public.release_answers;
    data_key public.credential_data_keys;
    reserve public.account_exchange_credential_versions;
BEGIN
    IF length(p_subaccounts::text) > 65536 OR length(p_master_keys::text) > 65536 THEN
        RAISE EXCEPTION USING ERRCODE = 'RG021',
            MESSAGE = 'more subaccounts or master keys are named than an account can have';
    ELSIF p_access NOT IN ('full', 'read_only', 'positions_only') THEN
        RAISE EXCEPTION USING ERRCODE = 'RG021',
            MESSAGE = 'there is no such access',
            HINT = 'It is full, read_only or positions_only.';
    END IF;
    -- Decided before the lock and again under it: who is given nothing delays nobody.
    FOR attempt IN 1 .. 2 LOOP
        IF account.outcome <> 'ok' THEN
            outcome := account.outcome;
            RETURN NEXT;
            RETURN;
        END IF;
        answer := (public.decide_releases(p_account, account.account_id, ARRAY[p_exchange],
            p_subaccounts, p_access, p_lender, public.release_claim(p_host),
            public.release_claim(p_purpose), NULL))[1];
        IF answer.outcome = 'ok' THEN
            SELECT * INTO reserve FROM public.account_exchange_credential_versions AS v
            WHERE v.credential_id = answer.credential_id AND v.version = p_version;
            SELECT * INTO data_key FROM public.credential_data_keys AS k WHERE k.id = reserve.id;
            answer.master_key_id := data_key.master_key_id;
            answer.outcome := CASE
                WHEN reserve.id IS NULL THEN 'no_such_version'
                WHEN data_key.id IS NULL THEN 'secrets_destroyed'
                WHEN p_version = answer.version
                    OR reserve.usable_until > clock_timestamp() AT TIME ZONE 'UTC' THEN 'ok'
                WHEN NOT reserve.is_pending THEN 'version_retired'
                WHEN public.session_is_bot() THEN 'version_pending'
                ELSE 'ok'
            END;
            IF answer.outcome = 'ok' AND answer.master_key_id <> ALL (p_master_keys) THEN
                answer.outcome := 'other_master_key';
            END IF;
            IF p_version <> answer.version THEN
                answer.version := p_version;
                answer.expires_at := NULL;
                answer.data := answer.data::jsonb || jsonb_build_object('credential_version', p_version);
            END IF;
        END IF;
        EXIT WHEN answer.outcome <> 'ok' OR attempt = 2;
        head := public.take_turn();
        account := public.session_account(p_account);
    END LOOP;
    IF answer.outcome <> 'ok' THEN
        answer.release_id := NULL;
    END IF;
    RETURN QUERY
        SELECT a.exchange, a.outcome, a.release_id, a.event_position, a.source, a.owner_name,
            a.credential_id, a.version, a.subaccount_index, a.permission, a.access, a.sharing_type,
            a.expires_at, a.choices, a.other_users, a.master_key_id
        FROM unnest(public.append_releases(
            head, ARRAY[answer], account.account_id, p_actor,
            CASE WHEN p_reason <> '' THEN public.release_claim(p_reason, 1000) END,
            clock_timestamp())) AS a;
END
$$;
ALTER FUNCTION public.request_version OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.request_version FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.request_version TO registry_bot, registry_operator;

-- Step two, with all that collect_releases demands; it gives only what is current, and this one the
-- other versions too, whose tokens are in the log.
CREATE OR REPLACE FUNCTION public.collect_version(p_release_id uuid) RETURNS TABLE (
    release_id uuid, outcome text,
    exchange_id integer, owner_id uuid, subaccount_index integer, permission text, version integer,
    api_key_encrypted text, secret_key_encrypted text, additional_credentials_encrypted jsonb,
    data_key_id uuid, wrapped_key text, master_key_id text
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off AS $$
#variable_conflict use_column
BEGIN
    SELECT * INTO STRICT release_id, outcome, exchange_id, owner_id, subaccount_index, permission,
        version, api_key_encrypted, secret_key_encrypted, additional_credentials_encrypted, data_key_id,
        wrapped_key, master_key_id
    FROM public.collect_releases(ARRAY[p_release_id]);
    IF outcome <> 'changed' THEN
        RETURN NEXT;
        RETURN;
    END IF;
    RETURN QUERY
        SELECT e.event_id, 'ok', c.exchange_id, c.account_id, c.subaccount_index, c.permission::text,
            v.version, s.tokens ->> 'api_key', s.tokens ->> 'secret_key',
            s.tokens - '{api_key, secret_key}'::text[], k.id, k.wrapped_key, k.master_key_id
        FROM public.audit_events AS e
        JOIN public.account_exchange_credentials AS c
            ON c.id = (e.data ->> 'credential_id')::uuid AND c.is_active
        JOIN public.account_exchange_credential_versions AS v
            ON v.credential_id = c.id AND v.version = (e.data ->> 'credential_version')::integer
        JOIN public.credential_data_keys AS k ON k.id = v.id
        JOIN public.accounts AS o ON o.id = c.account_id AND o.is_active
        JOIN public.accounts AS b ON b.id = e.stream_id AND b.is_active
        CROSS JOIN LATERAL (
            SELECT l.data::jsonb -> 'tokens' AS tokens FROM public.audit_events AS l
            WHERE l.stream_type = 'account' AND l.stream_id = v.account_id
                AND l.stream_version = v.stream_version) AS s
        WHERE e.event_id = p_release_id
            AND (v.usable_until > clock_timestamp() AT TIME ZONE 'UTC'
                OR v.is_pending AND NOT public.session_is_bot())
            AND public.session_may_use(b.id)
            AND public.account_allows(b.id, c.exchange_id) AND public.account_allows(o.id, c.exchange_id)
            AND public.stop_of(b.id, c.exchange_id, o.id, c.subaccount_index, c.permission) IS NULL
            AND (e.data ->> 'share_id' IS NULL OR EXISTS (
                SELECT FROM public.account_exchange_sharing AS h
                WHERE h.id = (e.data ->> 'share_id')::uuid
                    AND h.sharing_type = e.data ->> 'sharing_type'));
    IF NOT FOUND THEN
        RETURN NEXT;
    END IF;
END
$$;
ALTER FUNCTION public.collect_version OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.collect_version FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.collect_version TO registry_bot, registry_operator;

-- What append_event lets in, with the events of this migration and of the ones before.
-- Generated by scripts/generate-event-checks from the models in registry/events.
CREATE OR REPLACE FUNCTION public.event_is_well_formed(
    p_stream_type text, p_stream_version integer, p_event_type text, p_data jsonb
) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN p_event_type = 'AccountCreated' THEN
        p_stream_type = 'account'
        AND p_data - '{account_name, wallet_address, description, metadata, is_active, created_at,
            updated_at, origin}'::text[] = '{}'
        AND p_data @@ 'strict
            $.account_name.type() == "string"'
        AND p_data @@ 'lax
            !($.wallet_address.type() != "null" && $.wallet_address.type() != "string")
            && !($.description.type() != "null" && $.description.type() != "string")
            && !($.metadata.type() != "object")
            && !($.is_active.type() != "boolean")
            && !($.created_at.type() != "null" && $.created_at.type() != "string")
            && !($.updated_at.type() != "null" && $.updated_at.type() != "string")
            && (!exists($.origin) || $.origin.type() == "null" || $.origin.type() == "string" &&
                $.origin == "legacy")'
    WHEN p_event_type = 'AccountUpdated' THEN
        p_stream_type = 'account'
        AND p_data - '{wallet_address, description, metadata}'::text[] = '{}'
        AND p_data @@ 'lax
            !($.wallet_address.type() != "null" && $.wallet_address.type() != "string")
            && !($.description.type() != "null" && $.description.type() != "string")
            && !($.metadata.type() != "object")'
    WHEN p_event_type = 'AccountRenamed' THEN
        p_stream_type = 'account'
        AND p_data - '{account_name, previous_name}'::text[] = '{}'
        AND p_data @@ 'strict
            $.account_name.type() == "string"
            && $.previous_name.type() == "string"'
    WHEN p_event_type IN ('AccountDeactivated', 'AccountReactivated') THEN
        p_stream_type = 'account'
        AND p_data = '{}'
    WHEN p_event_type = 'AccountDeleted' THEN
        p_stream_type = 'account'
        AND p_data - '{account_name}'::text[] = '{}'
        AND p_data @@ 'strict
            $.account_name.type() == "string"'
    WHEN p_event_type = 'AccountRestored' THEN
        p_stream_type = 'account'
        AND p_data - '{account_name, wallet_address, description, metadata, is_active,
            created_at}'::text[] = '{}'
        AND p_data @@ 'strict
            $.account_name.type() == "string"
            && $.is_active.type() == "boolean"
            && $.created_at.type() == "string"'
        AND p_data @@ 'lax
            !($.wallet_address.type() != "null" && $.wallet_address.type() != "string")
            && !($.description.type() != "null" && $.description.type() != "string")
            && !($.metadata.type() != "object")'
    WHEN p_event_type = 'CredentialAdded' THEN
        p_stream_type = 'account'
        AND p_data - '{credential_id, exchange, exchange_id, subaccount_index, permission, version,
            data_key_id, tokens, fingerprints, label, expires_at, ip_allow_list,
            exchange_account_id, created_at, last_used, updated_at, is_active, origin}'::text[] =
            '{}'
        AND p_data @@ 'strict
            $.credential_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && ($.subaccount_index == null || $.subaccount_index >= 0 && $.subaccount_index <
                2147483648 && $.subaccount_index % 1 == 0)
            && ($.permission == "full" || $.permission == "read_only")
            && $.version > 0 && $.version % 1 == 0
            && $.data_key_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.tokens.type() == "object" && !($.tokens.*.type() != "string")
            && $.fingerprints.type() == "object" && !($.fingerprints.*.type() != "string")'
        AND CASE jsonb_typeof(p_data -> 'version') WHEN 'number' THEN
            (p_data ->> 'version')::numeric <= p_stream_version END
        AND p_data @@ 'lax
            !($.label.type() != "null" && $.label.type() != "string")
            && !($.expires_at.type() != "null" && $.expires_at.type() != "string")
            && (!exists($.ip_allow_list) || $.ip_allow_list.type() == "null" ||
                $.ip_allow_list.type() == "array" && !($.ip_allow_list[*].type() != "string"))
            && !($.exchange_account_id.type() != "null" && $.exchange_account_id.type() != "string")
            && !($.created_at.type() != "null" && $.created_at.type() != "string")
            && !($.last_used.type() != "null" && $.last_used.type() != "string")
            && !($.updated_at.type() != "null" && $.updated_at.type() != "string")
            && !($.is_active.type() != "boolean")
            && (!exists($.origin) || $.origin.type() == "null" || $.origin.type() == "string" &&
                $.origin == "legacy")'
    WHEN p_event_type IN ('CredentialReplaced', 'CredentialPrepared') THEN
        p_stream_type = 'account'
        AND p_data - '{credential_id, exchange, exchange_id, subaccount_index, permission, version,
            data_key_id, tokens, fingerprints, label, expires_at, ip_allow_list,
            exchange_account_id}'::text[] = '{}'
        AND p_data @@ 'strict
            $.credential_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && ($.subaccount_index == null || $.subaccount_index >= 0 && $.subaccount_index <
                2147483648 && $.subaccount_index % 1 == 0)
            && ($.permission == "full" || $.permission == "read_only")
            && $.version > 0 && $.version % 1 == 0
            && $.data_key_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.tokens.type() == "object" && !($.tokens.*.type() != "string")
            && $.fingerprints.type() == "object" && !($.fingerprints.*.type() != "string")'
        AND CASE jsonb_typeof(p_data -> 'version') WHEN 'number' THEN
            (p_data ->> 'version')::numeric <= p_stream_version END
        AND p_data @@ 'lax
            !($.label.type() != "null" && $.label.type() != "string")
            && !($.expires_at.type() != "null" && $.expires_at.type() != "string")
            && (!exists($.ip_allow_list) || $.ip_allow_list.type() == "null" ||
                $.ip_allow_list.type() == "array" && !($.ip_allow_list[*].type() != "string"))
            && !($.exchange_account_id.type() != "null" && $.exchange_account_id.type() != "string")'
    WHEN p_event_type = 'CredentialUpdated' THEN
        p_stream_type = 'account'
        AND p_data - '{credential_id, exchange, exchange_id, subaccount_index, permission, label,
            expires_at, ip_allow_list, exchange_account_id}'::text[] = '{}'
        AND p_data @@ 'strict
            $.credential_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && ($.subaccount_index == null || $.subaccount_index >= 0 && $.subaccount_index <
                2147483648 && $.subaccount_index % 1 == 0)
            && ($.permission == "full" || $.permission == "read_only")'
        AND p_data @@ 'lax
            !($.label.type() != "null" && $.label.type() != "string")
            && !($.expires_at.type() != "null" && $.expires_at.type() != "string")
            && (!exists($.ip_allow_list) || $.ip_allow_list.type() == "null" ||
                $.ip_allow_list.type() == "array" && !($.ip_allow_list[*].type() != "string"))
            && !($.exchange_account_id.type() != "null" && $.exchange_account_id.type() != "string")'
    WHEN p_event_type IN ('CredentialDeactivated', 'CredentialReactivated', 'CredentialRemoved')
        THEN
        p_stream_type = 'account'
        AND p_data - '{credential_id, exchange, exchange_id, subaccount_index, permission}'::text[]
            = '{}'
        AND p_data @@ 'strict
            $.credential_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && ($.subaccount_index == null || $.subaccount_index >= 0 && $.subaccount_index <
                2147483648 && $.subaccount_index % 1 == 0)
            && ($.permission == "full" || $.permission == "read_only")'
    WHEN p_event_type = 'CredentialSecretsDestroyed' THEN
        p_stream_type = 'account'
        AND p_data - '{credential_id, exchange, exchange_id, subaccount_index, permission, versions,
            data_key_ids}'::text[] = '{}'
        AND p_data @@ 'strict
            $.credential_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && ($.subaccount_index == null || $.subaccount_index >= 0 && $.subaccount_index <
                2147483648 && $.subaccount_index % 1 == 0)
            && ($.permission == "full" || $.permission == "read_only")
            && $.versions.type() == "array" && !($.versions[*].type() != "number")
            && $.data_key_ids.type() == "array" && !($.data_key_ids[*].type() != "string")'
    WHEN p_event_type = 'CredentialChecked' THEN
        p_stream_type = 'account'
        AND p_data - '{credential_id, exchange, exchange_id, subaccount_index, permission, version,
            outcome, may, bound, addresses, expires_at, exchange_account_id, differences}'::text[] =
            '{}'
        AND p_data @@ 'strict
            $.credential_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && ($.subaccount_index == null || $.subaccount_index >= 0 && $.subaccount_index <
                2147483648 && $.subaccount_index % 1 == 0)
            && ($.permission == "full" || $.permission == "read_only")
            && $.version > 0 && $.version < 2147483648 && $.version % 1 == 0
            && ($.outcome == "valid" || $.outcome == "wrong_key" || $.outcome == "expired" ||
                $.outcome == "address_not_allowed" || $.outcome == "not_permitted" || $.outcome ==
                "clock_skew" || $.outcome == "rate_limited" || $.outcome == "server_error" ||
                $.outcome == "html_answer" || $.outcome == "no_answer" || $.outcome ==
                "unclear_answer")'
        AND p_data @@ 'lax
            (!exists($.may) || $.may.type() == "null" || $.may.type() == "array" &&
                !($.may[*].type() != "string"))
            && !($.bound.type() != "null" && $.bound.type() != "boolean")
            && (!exists($.addresses) || $.addresses.type() == "null" || $.addresses.type() ==
                "array" && !($.addresses[*].type() != "string"))
            && !($.expires_at.type() != "null" && $.expires_at.type() != "string")
            && !($.exchange_account_id.type() != "null" && $.exchange_account_id.type() != "string")
            && (!exists($.differences) || $.differences.type() == "null" || $.differences.type() ==
                "array" && !($.differences[*].type() != "string"))'
    WHEN p_event_type = 'CredentialVersionKept' THEN
        p_stream_type = 'account'
        AND p_data - '{credential_id, exchange, exchange_id, subaccount_index, permission, version,
            data_key_id, usable_until}'::text[] = '{}'
        AND p_data @@ 'strict
            $.credential_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && ($.subaccount_index == null || $.subaccount_index >= 0 && $.subaccount_index <
                2147483648 && $.subaccount_index % 1 == 0)
            && ($.permission == "full" || $.permission == "read_only")
            && $.version > 0 && $.version < 2147483648 && $.version % 1 == 0
            && $.data_key_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.usable_until.type() == "string"'
    WHEN p_event_type = 'CredentialVersionRetired' THEN
        p_stream_type = 'account'
        AND p_data - '{credential_id, exchange, exchange_id, subaccount_index, permission, version,
            data_key_id}'::text[] = '{}'
        AND p_data @@ 'strict
            $.credential_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && ($.subaccount_index == null || $.subaccount_index >= 0 && $.subaccount_index <
                2147483648 && $.subaccount_index % 1 == 0)
            && ($.permission == "full" || $.permission == "read_only")
            && $.version > 0 && $.version < 2147483648 && $.version % 1 == 0
            && $.data_key_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"'
    WHEN p_event_type IN ('ExchangeAdded', 'ExchangeUpdated') THEN
        p_stream_type = 'exchange'
        AND p_data - '{exchange, exchange_id, display_name, fields, ccxt_id, nonce_per_key}'::text[]
            = '{}'
        AND p_data @@ 'strict
            $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && $.display_name.type() == "string"
            && $.fields.type() == "array" && !($.fields[*].type() != "object")'
        AND p_data @@ 'lax
            !($.ccxt_id.type() != "null" && $.ccxt_id.type() != "string")
            && !($.nonce_per_key.type() != "boolean")'
    WHEN p_event_type = 'ExchangeRemoved' THEN
        p_stream_type = 'exchange'
        AND p_data - '{exchange, exchange_id}'::text[] = '{}'
        AND p_data @@ 'strict
            $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0'
    WHEN p_event_type IN ('PositionsLinked', 'PositionsUnlinked') THEN
        p_stream_type = 'account'
        AND p_data - '{positions}'::text[] = '{}'
        AND p_data @@ 'strict
            $.positions.type() == "array" && !($.positions[*].type() != "string")'
    WHEN p_event_type = 'ProjectionsRebuilt' THEN
        p_stream_type = 'registry'
        AND p_data - '{size, tables}'::text[] = '{}'
        AND p_data @@ 'strict
            $.size % 1 == 0
            && $.tables.type() == "object" && !($.tables.*.type() != "object")'
    WHEN p_event_type = 'SchemaTakenDown' THEN
        p_stream_type = 'registry'
        AND p_data - '{references}'::text[] = '{}'
        AND p_data @@ 'strict
            $.references.type() == "array" && !($.references[*].type() != "object")'
    WHEN p_event_type = 'SharingGranted' THEN
        p_stream_type = 'account'
        AND p_data - '{share_id, exchange, exchange_id, lender_id, lender, sharing_type, created_at,
            updated_at, origin}'::text[] = '{}'
        AND p_data @@ 'strict
            $.share_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && $.lender_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.lender.type() == "string"
            && ($.sharing_type == "full" || $.sharing_type == "read_only" || $.sharing_type ==
                "positions_only")'
        AND p_data @@ 'lax
            !($.created_at.type() != "null" && $.created_at.type() != "string")
            && !($.updated_at.type() != "null" && $.updated_at.type() != "string")
            && (!exists($.origin) || $.origin.type() == "null" || $.origin.type() == "string" &&
                $.origin == "legacy")'
    WHEN p_event_type IN ('SharingChanged', 'SharingRevoked') THEN
        p_stream_type = 'account'
        AND p_data - '{share_id, exchange, exchange_id, lender_id, lender, sharing_type}'::text[] =
            '{}'
        AND p_data @@ 'strict
            $.share_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && $.lender_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.lender.type() == "string"
            && ($.sharing_type == "full" || $.sharing_type == "read_only" || $.sharing_type ==
                "positions_only")'
    WHEN p_event_type IN ('AccessGranted', 'AccessRevoked') THEN
        p_stream_type = 'account'
        AND p_data - '{access_id, role}'::text[] = '{}'
        AND p_data @@ 'strict
            $.access_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.role.type() == "string"'
    WHEN p_event_type = 'CredentialReleased' THEN
        p_stream_type = 'release'
        AND p_data - '{account, exchange, exchange_id, purpose, host, client_address, credential_id,
            credential_version, subaccount_index, permission, source, access, lender_id, lender,
            share_id, sharing_type}'::text[] = '{}'
        AND p_data @@ 'strict
            $.account.type() == "string"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && $.purpose.type() == "string"
            && $.host.type() == "string"
            && ($.client_address == null || $.client_address.type() == "string")
            && $.credential_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.credential_version > 0 && $.credential_version < 2147483648 && $.credential_version
                % 1 == 0
            && ($.subaccount_index == null || $.subaccount_index >= 0 && $.subaccount_index <
                2147483648 && $.subaccount_index % 1 == 0)
            && ($.permission == "full" || $.permission == "read_only")
            && ($.source == "own" || $.source == "shared")
            && ($.access == "full" || $.access == "read_only" || $.access == "positions_only")
            && ($.lender_id == null || $.lender_id like_regex
                "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
            && ($.lender == null || $.lender.type() == "string")
            && ($.share_id == null || $.share_id like_regex
                "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
            && ($.sharing_type == null || ($.sharing_type == "full" || $.sharing_type == "read_only"
                || $.sharing_type == "positions_only"))'
    WHEN p_event_type = 'EnvironmentFallbackUsed' THEN
        p_stream_type = 'release'
        AND p_data - '{account, exchange, exchange_id, purpose, host, client_address,
            origin}'::text[] = '{}'
        AND p_data @@ 'strict
            $.account.type() == "string"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && $.purpose.type() == "string"
            && $.host.type() == "string"
            && ($.client_address == null || $.client_address.type() == "string")
            && $.origin.type() == "string"'
    WHEN p_event_type = 'MasterKeyRotated' THEN
        p_stream_type = 'registry'
        AND p_data - '{master_key_id, previous_key_ids, keys, remaining}'::text[] = '{}'
        AND p_data @@ 'strict
            $.master_key_id.type() == "string"
            && $.previous_key_ids.type() == "array" && !($.previous_key_ids[*].type() != "string")
            && $.keys % 1 == 0
            && $.remaining % 1 == 0'
    WHEN p_event_type = 'LegacyAdopted' THEN
        p_stream_type = 'registry'
        AND p_data - '{tables, decisions}'::text[] = '{}'
        AND p_data @@ 'strict
            $.tables.type() == "object" && !($.tables.*.type() != "object")
            && $.decisions.type() == "array" && !($.decisions[*].type() != "object")'
    WHEN p_event_type = 'SessionEnded' THEN
        p_stream_type = 'registry'
        AND p_data - '{pid, role, application, client, since}'::text[] = '{}'
        AND p_data @@ 'strict
            $.pid > 0 && $.pid % 1 == 0
            && $.role.type() == "string"'
        AND p_data @@ 'lax
            !($.application.type() != "null" && $.application.type() != "string")
            && !($.client.type() != "null" && $.client.type() != "string")
            && !($.since.type() != "null" && $.since.type() != "string")'
    WHEN p_event_type = 'UseStopped' THEN
        p_stream_type = 'stop'
        AND p_data - '{standing, scope, account_id, account, exchange_id, exchange,
            subaccount_index, permission}'::text[] = '{}'
        AND p_data @@ 'strict
            $.standing.type() == "array" && !($.standing[*].type() != "number")
            && ($.scope == "all" || $.scope == "exchange" || $.scope == "lender" || $.scope ==
                "account" || $.scope == "credential")'
        AND p_data @@ 'lax
            (!exists($.account_id) || $.account_id.type() == "null" || $.account_id.type() ==
                "string" && $.account_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
            && !($.account.type() != "null" && $.account.type() != "string")
            && (!exists($.exchange_id) || $.exchange_id.type() == "null" || $.exchange_id.type() ==
                "number" && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 ==
                0)
            && !($.exchange.type() != "null" && $.exchange.type() != "string")
            && (!exists($.subaccount_index) || $.subaccount_index.type() == "null" ||
                $.subaccount_index.type() == "number" && $.subaccount_index >= 0 &&
                $.subaccount_index < 2147483648 && $.subaccount_index % 1 == 0)
            && (!exists($.permission) || $.permission.type() == "null" || $.permission.type() ==
                "string" && ($.permission == "full" || $.permission == "read_only"))'
    WHEN p_event_type = 'UseResumed' THEN
        p_stream_type = 'stop'
        AND p_data - '{standing, scope, account_id, account, exchange_id, exchange,
            subaccount_index, permission, stop}'::text[] = '{}'
        AND p_data @@ 'strict
            $.standing.type() == "array" && !($.standing[*].type() != "number")
            && ($.scope == "all" || $.scope == "exchange" || $.scope == "lender" || $.scope ==
                "account" || $.scope == "credential")
            && $.stop % 1 == 0'
        AND p_data @@ 'lax
            (!exists($.account_id) || $.account_id.type() == "null" || $.account_id.type() ==
                "string" && $.account_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
            && !($.account.type() != "null" && $.account.type() != "string")
            && (!exists($.exchange_id) || $.exchange_id.type() == "null" || $.exchange_id.type() ==
                "number" && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 ==
                0)
            && !($.exchange.type() != "null" && $.exchange.type() != "string")
            && (!exists($.subaccount_index) || $.subaccount_index.type() == "null" ||
                $.subaccount_index.type() == "number" && $.subaccount_index >= 0 &&
                $.subaccount_index < 2147483648 && $.subaccount_index % 1 == 0)
            && (!exists($.permission) || $.permission.type() == "null" || $.permission.type() ==
                "string" && ($.permission == "full" || $.permission == "read_only"))'
END;
