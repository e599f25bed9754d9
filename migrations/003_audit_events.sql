-- The log: every change as an event, in one gapless order, guarded by the database.

-- What is hashed is UTF-8; in another encoding the database would count other bytes.
DO $encoding$
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('the database %I has the encoding %s, and the log needs UTF8',
                current_database(), current_setting('server_encoding')),
            HINT = 'Create a database with: CREATE DATABASE name TEMPLATE template0 ENCODING ''UTF8''.';
    END IF;
END
$encoding$;

CREATE TABLE IF NOT EXISTS public.audit_events (
    position BIGINT PRIMARY KEY CHECK (position >= 0),
    event_id UUID NOT NULL UNIQUE,
    stream_type TEXT NOT NULL CHECK (stream_type ~ '^[a-z]{1,30}$'),
    stream_id UUID NOT NULL,
    stream_version INTEGER NOT NULL CHECK (stream_version > 0),
    event_type TEXT NOT NULL CHECK (event_type ~ '^[A-Z][A-Za-z]{1,60}$'),
    schema_version INTEGER NOT NULL CHECK (schema_version > 0),
    -- json and not jsonb: the stored text itself is what is hashed.
    data JSON NOT NULL CHECK (json_typeof(data) = 'object'),
    actor TEXT NOT NULL CHECK (actor <> '' AND length(actor) <= 255),
    reason TEXT CHECK (length(reason) <= 1000),
    command_id UUID NOT NULL,
    command_index INTEGER NOT NULL CHECK (command_index >= 0),
    -- Digest of the command's content: tells "sent again" from "another command".
    command_digest BYTEA NOT NULL CHECK (length(command_digest) = 32),
    -- The other account that the event is about, if any (the lender of a share).
    related_account_id UUID,
    -- The application's clock, the database's clock, and the role that was logged in. (Most
    -- readers cannot hold a time beyond these years, and would show nothing of the log.)
    occurred_at TIMESTAMPTZ NOT NULL
        CHECK (occurred_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00'),
    recorded_at TIMESTAMPTZ NOT NULL,
    recorded_by TEXT NOT NULL,
    -- RFC 9162 Merkle tree: the hash of this leaf, and the roots of the perfect
    -- subtrees of 2, 4, 8, … leaves that end with it (none for an even position).
    leaf_hash BYTEA NOT NULL CHECK (length(leaf_hash) = 32),
    subtree_roots BYTEA[] NOT NULL,
    UNIQUE (stream_type, stream_id, stream_version),
    UNIQUE (command_id, command_index)
);

CREATE INDEX IF NOT EXISTS audit_events_related_account
    ON public.audit_events (related_account_id, position)
    WHERE related_account_id IS NOT NULL;

-- Who had this name before: finds the history of deleted and renamed accounts.
CREATE INDEX IF NOT EXISTS audit_events_former_name
    ON public.audit_events ((coalesce(data ->> 'previous_name', data ->> 'account_name')), position)
    WHERE event_type IN ('AccountDeleted', 'AccountRenamed');

-- One row: how many events there are and the roots of the perfect subtrees that
-- cover them, largest first. Locking it is what puts appends in one order.
-- Whoever waits for the lock keeps old versions of the row from being removed, so that under
-- load the table has hundreds of pages. The functions that append therefore go by the index
-- (WHERE only_row, and SET enable_seqscan = off, since the planner sees a table of one row).
CREATE TABLE IF NOT EXISTS public.audit_head (
    only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    size BIGINT NOT NULL DEFAULT 0,
    peaks BYTEA[] NOT NULL DEFAULT '{}',
    -- The transaction that appended last: the guards of the projections compare
    -- it with their own, so that a row changes only together with an event.
    appended_by XID8,
    appended_at TIMESTAMPTZ
) WITH (fillfactor = 10);

INSERT INTO public.audit_head DEFAULT VALUES ON CONFLICT DO NOTHING;

CREATE OR REPLACE FUNCTION public.audit_refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'RG004',
        MESSAGE = format('%s on %I is refused: the log is append-only', TG_OP, TG_TABLE_NAME),
        HINT = 'A change is undone by another event: see "account-registry rollback --help".';
END
$$;
ALTER FUNCTION public.audit_refuse_change OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.audit_refuse_change FROM PUBLIC;

CREATE OR REPLACE TRIGGER audit_events_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON public.audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse_change();

CREATE OR REPLACE TRIGGER audit_head_stays
    BEFORE DELETE OR TRUNCATE ON public.audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse_change();

ALTER TABLE public.audit_events OWNER TO registry_owner;
ALTER TABLE public.audit_head OWNER TO registry_owner;
REVOKE ALL ON public.audit_events, public.audit_head FROM PUBLIC;
GRANT SELECT ON public.audit_events, public.audit_head TO registry_operator;
GRANT SELECT ON public.audit_head TO registry_auditor;

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
