-- Who may do what to the log and the keys. Roles belong to the whole server, so they
-- may exist already (another registry, or an administrator who made them beforehand).
--
--   registry_owner     owns the registry's objects; nobody logs in as it
--   registry_operator  runs commands
--   registry_auditor   reads the log and the projections, no tokens, no keys
--   registry_bot       what a bot's login role is a member of

DO $roles$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY[
        'registry_owner', 'registry_operator', 'registry_auditor', 'registry_bot'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION
                -- Another database of this server is being migrated at the same time.
                WHEN duplicate_object OR unique_violation THEN NULL;
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION USING
                        ERRCODE = 'insufficient_privilege',
                        MESSAGE = format('role %s does not exist and %s may not create it', wanted, current_user),
                        HINT = 'Let an administrator create registry_owner, registry_operator, registry_auditor '
                            'and registry_bot (NOLOGIN) and grant registry_owner to this user, or migrate as '
                            'a user with CREATEROLE.';
            END;
        END IF;
    END LOOP;
    -- From PostgreSQL 16 on, who creates a role may administer it but not yet act as it.
    IF NOT pg_catalog.pg_has_role(current_user, 'registry_owner', 'USAGE')
        OR NOT pg_catalog.pg_has_role(current_user, 'registry_owner',
            CASE WHEN current_setting('server_version_num')::integer >= 160000
                THEN 'SET' ELSE 'MEMBER' END)
    THEN
        EXECUTE format('GRANT registry_owner TO %I', current_user);
    END IF;
END
$roles$;

GRANT USAGE, CREATE ON SCHEMA public TO registry_owner;
GRANT USAGE ON SCHEMA public TO registry_operator, registry_auditor, registry_bot;
GRANT SELECT, REFERENCES ON public.dexes TO registry_owner;
GRANT SELECT, INSERT ON public.dexes TO registry_operator;
GRANT SELECT ON public.dexes TO registry_auditor;
DO $sequence$
DECLARE
    sequence text := pg_get_serial_sequence('public.dexes', 'id');
BEGIN
    IF sequence IS NOT NULL THEN
        EXECUTE 'GRANT USAGE ON SEQUENCE ' || sequence || ' TO registry_operator';
    END IF;
END
$sequence$;
GRANT SELECT ON public.registry_migrations TO registry_operator, registry_auditor, registry_bot;
