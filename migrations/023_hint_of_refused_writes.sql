-- The hint names the installed program: python -m would run a folder registry/ of where one stands.
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
        HINT = format('Use a command of the registry instead, so that the change is recorded: %s. '
            'A damaged table is repaired by: account-registry rebuild',
            TG_ARGV[0]);
END
$$;
ALTER FUNCTION public.projection_refuse_direct_write OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.projection_refuse_direct_write FROM PUBLIC;
