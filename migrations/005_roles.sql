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

ALTER TABLE public.audit_events OWNER TO registry_owner;
ALTER TABLE public.audit_head OWNER TO registry_owner;
ALTER TABLE public.credential_data_keys OWNER TO registry_owner;
ALTER TABLE public.registry_keys OWNER TO registry_owner;
ALTER FUNCTION public.audit_refuse_change() OWNER TO registry_owner;
ALTER FUNCTION public.audit_leaf(
    bigint, uuid, text, uuid, integer, text, integer, json, text, text, uuid, integer, bytea, uuid,
    timestamptz, timestamptz, text) OWNER TO registry_owner;
ALTER FUNCTION public.audit_write(
    bigint, bytea[], timestamptz, uuid, text, uuid, integer, text, integer, json, text, text, uuid,
    integer, bytea, uuid, timestamptz) OWNER TO registry_owner;
ALTER FUNCTION public.event_is_well_formed(text, integer, text, jsonb) OWNER TO registry_owner;
ALTER FUNCTION public.append_event(
    uuid, text, uuid, integer, text, integer, json, text, text, uuid, integer, bytea, uuid, timestamptz)
    OWNER TO registry_owner;

REVOKE ALL ON public.audit_events, public.audit_head, public.credential_data_keys,
    public.registry_keys FROM PUBLIC;
REVOKE ALL ON FUNCTION public.audit_write(
    bigint, bytea[], timestamptz, uuid, text, uuid, integer, text, integer, json, text, text, uuid,
    integer, bytea, uuid, timestamptz), public.append_event(
    uuid, text, uuid, integer, text, integer, json, text, text, uuid, integer, bytea, uuid, timestamptz)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.append_event(
    uuid, text, uuid, integer, text, integer, json, text, text, uuid, integer, bytea, uuid, timestamptz)
    TO registry_operator;

GRANT SELECT ON public.audit_events, public.audit_head TO registry_operator;
GRANT SELECT, INSERT ON public.credential_data_keys, public.registry_keys TO registry_operator;

-- What an auditor reads of the log: everything but the encrypted fields.
CREATE OR REPLACE VIEW public.audit_trail AS
    SELECT e.position, e.event_id, e.stream_type, e.stream_id, e.stream_version, e.event_type,
        e.schema_version, e.data::jsonb - 'tokens' AS data, e.actor, e.reason, e.command_id,
        e.command_index, e.related_account_id, e.occurred_at, e.recorded_at, e.recorded_by,
        e.leaf_hash, e.subtree_roots,
        e.data ->> 'exchange' AS exchange, e.data ->> 'credential_id' AS credential_id
    FROM public.audit_events AS e;
ALTER VIEW public.audit_trail OWNER TO registry_owner;
GRANT SELECT ON public.audit_trail TO registry_operator, registry_auditor;

-- Which account had a name before, for everybody who may look accounts up by name.
CREATE OR REPLACE VIEW public.former_names AS
    SELECT coalesce(e.data ->> 'previous_name', e.data ->> 'account_name') AS former_name,
        e.position, e.event_type, e.stream_id, e.actor, e.recorded_at
    FROM public.audit_events AS e
    WHERE e.event_type IN ('AccountDeleted', 'AccountRenamed');
ALTER VIEW public.former_names OWNER TO registry_owner;
GRANT SELECT ON public.former_names TO registry_operator, registry_auditor;

-- An auditor sees that a data key exists and which master key wraps it, not the key.
GRANT SELECT (id, credential_id, credential_version, master_key_id, created_at)
    ON public.credential_data_keys TO registry_auditor;
GRANT SELECT (purpose, master_key_id, created_at) ON public.registry_keys TO registry_auditor;
GRANT SELECT ON public.audit_head TO registry_auditor;
