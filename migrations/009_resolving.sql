-- Which credential an account would use for an exchange: its own, or one that is lent to it.

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
ALTER FUNCTION public.pick_credential OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.pick_credential FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.pick_credential TO registry_operator, registry_auditor;

-- Whether a share of this type ever gives a credential of this permission. An agent holds the key
-- instead of the borrower and does only what the share is for, so that it may be a full one.
CREATE OR REPLACE FUNCTION public.share_allows(
    p_sharing_type text, p_permission text, p_through_agent boolean
) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN p_sharing_type = 'full' OR p_permission = 'read_only' OR p_through_agent;
ALTER FUNCTION public.share_allows OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.share_allows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.share_allows TO registry_operator, registry_auditor;

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
ALTER FUNCTION public.exchanges_of OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.exchanges_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.exchanges_of TO registry_operator, registry_auditor;
