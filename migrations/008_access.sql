-- Which login role may use which account, and who it is that asks.

-- A projection of audit_events.
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
-- Called inside the registry's functions only, with their owner's rights and search_path. (In
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
ALTER FUNCTION public.session_may_use OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.session_may_use FROM PUBLIC;

-- The accounts of the role that logged in; for the policy on positions.
CREATE OR REPLACE FUNCTION public.session_accounts() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.account_id FROM public.account_access AS a WHERE a.role_name = session_user;
END;
ALTER FUNCTION public.session_accounts OWNER TO registry_owner;
GRANT EXECUTE ON FUNCTION public.session_accounts TO PUBLIC;

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
ALTER FUNCTION public.session_is_bot OWNER TO registry_owner;
GRANT EXECUTE ON FUNCTION public.session_is_bot TO PUBLIC;

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
ALTER FUNCTION public.session_account OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.session_account FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.session_account TO registry_bot, registry_operator;

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
ALTER FUNCTION public.session_account_locked OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.session_account_locked FROM PUBLIC;
