-- Definitions of exchanges can be corrected and removed, while credentials are stored by them.
--
-- Errors: RG001 decided on an older definition; RG027 the definition is needed as it is.

-- Fails if credentials of an exchange hold other fields than these; without fields, if there is any
-- credential or share of it. Asked when the log is locked.
CREATE OR REPLACE FUNCTION public.require_fields(p_exchange_id integer, p_fields text[]) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
    held constant text := (
        SELECT string_agg(DISTINCT f.name, ', ' ORDER BY f.name)
        FROM public.credential_overview AS c
        CROSS JOIN LATERAL unnest(c.fields) AS f (name)
        WHERE c.exchange_id = p_exchange_id AND f.name <> ALL (p_fields));
    exchange constant text := (SELECT d.name FROM public.dexes AS d WHERE d.id = p_exchange_id);
    holder constant text := (
        SELECT min(a.account_name) FROM public.accounts AS a
        JOIN public.credential_overview AS c ON c.account_id = a.id
        WHERE c.exchange_id = p_exchange_id);
BEGIN
    IF held IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'RG027',
            MESSAGE = format('credentials of %s hold %s, such as that of %s', exchange, held, holder),
            HINT = format('See them: account-registry list-credentials --exchange %s', exchange);
    ELSIF p_fields = '{}' AND EXISTS (
        SELECT FROM public.account_exchange_sharing AS s WHERE s.exchange_id = p_exchange_id)
    THEN
        RAISE EXCEPTION USING ERRCODE = 'RG027',
            MESSAGE = format('there are shares of %s', exchange),
            HINT = 'See them: account-registry list-shares';
    END IF;
END
$$;
ALTER FUNCTION public.require_fields OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.require_fields FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.require_fields TO registry_operator;

-- Fails if the stream of an exchange has another version: it was defined anew.
CREATE OR REPLACE FUNCTION public.require_definition(p_stream_id uuid, p_version integer) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF p_version <> coalesce((
        SELECT max(e.stream_version) FROM public.audit_trail AS e
        WHERE e.stream_type = 'exchange' AND e.stream_id = p_stream_id), 0)
    THEN
        RAISE EXCEPTION USING ERRCODE = 'RG001', MESSAGE = 'the exchange was defined anew meanwhile';
    END IF;
END
$$;
ALTER FUNCTION public.require_definition OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.require_definition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.require_definition TO registry_operator;

-- A corrected definition names variables of the same form.
CREATE OR REPLACE TRIGGER audit_events_exchange_variables
    BEFORE INSERT ON public.audit_events
    FOR EACH ROW WHEN (NEW.event_type IN ('ExchangeAdded', 'ExchangeUpdated'))
    EXECUTE FUNCTION public.exchange_variables_check();
