-- The rules that a share keeps, whoever writes it.
--
-- Errors: RG023 a share would break the rules.

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
ALTER FUNCTION public.sharing_check OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.sharing_check FROM PUBLIC;

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
ALTER FUNCTION public.sharing_keeps_credential OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.sharing_keeps_credential FROM PUBLIC;

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
