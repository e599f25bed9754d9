DROP TRIGGER IF EXISTS audit_events_limit_idle_time ON public.audit_events;
DROP FUNCTION IF EXISTS public.limit_idle_time();
DO $large_objects$
BEGIN
    IF (SELECT r.rolsuper FROM pg_roles AS r WHERE r.rolname = current_user) THEN
        GRANT EXECUTE ON FUNCTION pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid),
            pg_catalog.lo_from_bytea(oid, bytea) TO PUBLIC;
    END IF;
END
$large_objects$;
