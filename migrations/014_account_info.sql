-- What a bot may know of an account that it may use: its row, and which exchanges it can
-- log in to. By its name, or (if that is NULL) by its id.

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
            WHERE c.account_id = a.id AND c.is_active
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
ALTER FUNCTION public.account_info(text, uuid) OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.account_info(text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.account_info(text, uuid) TO registry_bot, registry_operator;
