-- Following: a bot learns that what its account resolves to has changed, and nothing else.

-- What an account would be given for each exchange (all that it has, unless some are named), as a
-- digest that says only whether it is still the same; NULL for what it would not be given. If the
-- account as a whole is refused, it is one row without an exchange. The digest follows from the
-- credential and its version alone, so no change of another account shows in it, nor their number.
--
-- Thousands of bots ask this every other second, and nearly always nothing has changed in the whole
-- registry. `newest` stands for its newest change; whoever gives it back gets one row, `same`, if it
-- still is. That something was changed is told to everybody who listens, and this tells no more: it
-- is a digest of a leaf of the log, which nobody can guess or count.
CREATE OR REPLACE FUNCTION public.account_digests(
    p_account text, p_exchanges text[], p_subaccounts jsonb, p_access text, p_lender text,
    p_newest text DEFAULT NULL
) RETURNS TABLE (outcome text, exchange text, digest text, newest text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off AS $$
DECLARE
    account record := public.session_account(p_account);
    exchanges text[];
    ids integer[];
    found record;
BEGIN
    outcome := account.outcome;
    IF outcome <> 'ok' THEN
        RETURN NEXT;
        RETURN;
    END IF;
    newest := (
        SELECT encode(sha256(e.leaf_hash), 'hex')
        FROM public.audit_events AS e
        WHERE e.event_type NOT IN ('CredentialReleased', 'CredentialChecked', 'EnvironmentFallbackUsed')
        ORDER BY e.position DESC
        LIMIT 1);
    IF newest = p_newest THEN
        outcome := 'same';
        RETURN NEXT;
        RETURN;
    END IF;
    exchanges := coalesce(p_exchanges, ARRAY(SELECT * FROM public.exchanges_of(account.account_id)));
    ids := ARRAY(
        SELECT (SELECT d.id FROM public.dexes AS d WHERE d.name = n.name)
        FROM unnest(exchanges) WITH ORDINALITY AS n (name, place) ORDER BY n.place);
    FOR i IN 1 .. cardinality(exchanges) LOOP
        exchange := exchanges[i];
        found := public.resolve_credential(account.account_id, ids[i],
            public.wanted_subaccount(p_subaccounts, exchange), p_access, p_lender);
        digest := CASE WHEN found.outcome = 'ok' THEN (
            SELECT encode(sha256(convert_to(
                concat_ws('|', c.id, c.version, c.data_key_id, found.access), 'UTF8')), 'hex')
            FROM public.account_exchange_credentials AS c
            WHERE c.id = found.credential_id) END;
        RETURN NEXT;
    END LOOP;
END
$$;
ALTER FUNCTION public.account_digests OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.account_digests FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.account_digests TO registry_bot, registry_operator;

-- Wakes the bots that wait for a change. As with those who follow the log (see 013), the message is
-- empty, and sent only while somebody waits. What happens all the time changes nothing for a bot.
CREATE OR REPLACE FUNCTION public.audit_wake_bots() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF pg_catalog.pg_notification_queue_usage() OPERATOR(pg_catalog.<) 0.5 THEN
        NOTIFY account_registry_changes;
    END IF;
    RETURN NULL;
END
$$;
ALTER FUNCTION public.audit_wake_bots OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.audit_wake_bots FROM PUBLIC;

CREATE OR REPLACE TRIGGER audit_events_wake_bots
    AFTER INSERT ON public.audit_events
    FOR EACH ROW WHEN (
        NEW.event_type NOT IN ('CredentialReleased', 'CredentialChecked', 'EnvironmentFallbackUsed')
        AND NOT pg_catalog.pg_try_advisory_xact_lock(7234117011))
    EXECUTE FUNCTION public.audit_wake_bots();
