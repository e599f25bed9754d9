-- The three tables change only together with an event, whoever asks.

-- A statement may write to a projection if its own transaction has appended to the
-- log. That cannot be forged by a setting: only audit_write writes audit_head.
CREATE OR REPLACE FUNCTION public.projection_refuse_direct_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off AS $$
BEGIN
    IF TG_OP <> 'TRUNCATE' AND EXISTS (
        SELECT FROM public.audit_head AS h
        -- The time too: a restored dump may hold a transaction id of another server.
        WHERE h.only_row
          AND h.appended_by = pg_current_xact_id_if_assigned()
          AND h.appended_at >= transaction_timestamp()
    ) THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'RG005',
        MESSAGE = format('%s on %I is refused: the table is a projection of audit_events',
            TG_OP, TG_TABLE_NAME),
        HINT = format('Use a command instead, so that the change is recorded: '
            'python -m registry.commands %s (see --help). '
            'A damaged table is repaired by: python -m registry.commands rebuild',
            TG_ARGV[0]);
END
$$;
ALTER FUNCTION public.projection_refuse_direct_write OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.projection_refuse_direct_write FROM PUBLIC;

CREATE OR REPLACE TRIGGER accounts_only_by_event
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON public.accounts
    FOR EACH STATEMENT EXECUTE FUNCTION public.projection_refuse_direct_write(
        'create-account, update-account or delete-account');

CREATE OR REPLACE TRIGGER account_exchange_credentials_only_by_event
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON public.account_exchange_credentials
    FOR EACH STATEMENT EXECUTE FUNCTION public.projection_refuse_direct_write(
        'add-credential, replace-credential or remove-credential');

CREATE OR REPLACE TRIGGER account_exchange_sharing_only_by_event
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON public.account_exchange_sharing
    FOR EACH STATEMENT EXECUTE FUNCTION public.projection_refuse_direct_write('share or unshare');

ALTER TABLE public.accounts OWNER TO registry_owner;
ALTER TABLE public.account_exchange_credentials OWNER TO registry_owner;
ALTER TABLE public.account_exchange_sharing OWNER TO registry_owner;

GRANT SELECT, DELETE
    ON public.accounts, public.account_exchange_credentials, public.account_exchange_sharing
    TO registry_operator;
GRANT SELECT ON public.strategy_positions TO registry_operator, registry_auditor;
GRANT SELECT ON public.symbols TO registry_operator, registry_auditor;

-- The credentials as people may see them: which fields there are, but no tokens.
CREATE OR REPLACE VIEW public.credential_overview AS
    SELECT c.id, c.account_id, c.exchange_id, c.subaccount_index, c.permission, c.version,
        c.data_key_id, c.is_active, c.label, c.expires_at, c.ip_allow_list,
        c.exchange_account_id, c.last_used, c.created_at, c.updated_at,
        array_remove(ARRAY[
            CASE WHEN c.api_key_encrypted IS NOT NULL THEN 'api_key' END,
            CASE WHEN c.secret_key_encrypted IS NOT NULL THEN 'secret_key' END], NULL)
        || ARRAY(SELECT jsonb_object_keys(c.additional_credentials_encrypted)) AS fields
    FROM public.account_exchange_credentials AS c;
ALTER VIEW public.credential_overview OWNER TO registry_owner;
GRANT SELECT ON public.credential_overview TO registry_operator, registry_auditor;

GRANT SELECT ON public.accounts, public.account_exchange_sharing TO registry_auditor;
GRANT SELECT (id, account_id, exchange_id, exchange_account_id, subaccount_index, is_active,
        last_used, created_at, updated_at, permission, version, data_key_id, label, expires_at,
        ip_allow_list)
    ON public.account_exchange_credentials TO registry_auditor;
