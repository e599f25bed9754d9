-- The only way into the log.

-- The leaf of an event: for each column in this order, the length of its value in
-- bytes (big-endian int4, -1 for NULL) and the value in PostgreSQL's binary form.
-- This is the form of a row in `COPY … (FORMAT binary)` without its column count,
-- so a verifier hashes what it reads, unparsed. Text is UTF-8, whatever the client uses.
-- https://www.postgresql.org/docs/current/sql-copy.html (binary format, tuples)
CREATE OR REPLACE FUNCTION public.audit_leaf(
    p_position bigint, p_event_id uuid, p_stream_type text, p_stream_id uuid,
    p_stream_version integer, p_event_type text, p_schema_version integer, p_data json,
    p_actor text, p_reason text, p_command_id uuid, p_command_index integer,
    p_command_digest bytea, p_related_account_id uuid, p_occurred_at timestamptz,
    p_recorded_at timestamptz, p_recorded_by text
) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
RETURN '\x00000008'::bytea || int8send(p_position)
        || '\x00000010'::bytea || uuid_send(p_event_id)
        || int4send(octet_length(p_stream_type)) || convert_to(p_stream_type, 'UTF8')
        || '\x00000010'::bytea || uuid_send(p_stream_id)
        || '\x00000004'::bytea || int4send(p_stream_version)
        || int4send(octet_length(p_event_type)) || convert_to(p_event_type, 'UTF8')
        || '\x00000004'::bytea || int4send(p_schema_version)
        || int4send(octet_length(p_data::text)) || convert_to(p_data::text, 'UTF8')
        || int4send(octet_length(p_actor)) || convert_to(p_actor, 'UTF8')
        || coalesce(int4send(octet_length(p_reason)) || convert_to(p_reason, 'UTF8'),
            '\xffffffff'::bytea)
        || '\x00000010'::bytea || uuid_send(p_command_id)
        || '\x00000004'::bytea || int4send(p_command_index)
        || int4send(octet_length(p_command_digest)) || p_command_digest
        || coalesce('\x00000010'::bytea || uuid_send(p_related_account_id), '\xffffffff'::bytea)
        || '\x00000008'::bytea || timestamptz_send(p_occurred_at)
        || '\x00000008'::bytea || timestamptz_send(p_recorded_at)
        || int4send(octet_length(p_recorded_by)) || convert_to(p_recorded_by, 'UTF8');

-- Writes one event at the end of the log and returns its position. The caller has locked the
-- head and says what it holds, and has made sure that the version is the stream's next and
-- that the data can be read. For the functions of the registry only, with their search_path.
CREATE OR REPLACE FUNCTION public.audit_write(
    p_size bigint, p_peaks bytea[], p_appended_at timestamptz,
    p_event_id uuid, p_stream_type text, p_stream_id uuid, p_stream_version integer,
    p_event_type text, p_schema_version integer, p_data json, p_actor text, p_reason text,
    p_command_id uuid, p_command_index integer, p_command_digest bytea,
    p_related_account_id uuid, p_occurred_at timestamptz
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    subtrees bytea[] := p_peaks;
    remaining bigint := p_size;
    -- The database's clock, never behind the event before it.
    recorded constant timestamptz := greatest(clock_timestamp(), p_appended_at);
    -- Not '\x00', which means something else with standard_conforming_strings = off.
    leaf_prefix constant bytea := decode('00', 'hex');
    node_prefix constant bytea := decode('01', 'hex');
    leaf constant bytea := sha256(leaf_prefix || public.audit_leaf(
        p_size, p_event_id, p_stream_type, p_stream_id, p_stream_version, p_event_type,
        p_schema_version, p_data, p_actor, p_reason, p_command_id, p_command_index,
        p_command_digest, p_related_account_id, p_occurred_at, recorded, session_user::text));
    node bytea := leaf;
    roots bytea[] := '{}';
BEGIN
    -- RFC 9162 section 2.1.1: each trailing one bit of the old size is a perfect
    -- subtree that this leaf completes together with its neighbour.
    WHILE remaining & 1 = 1 LOOP
        node := sha256(node_prefix || subtrees[cardinality(subtrees)] || node);
        subtrees := trim_array(subtrees, 1);
        roots := roots || node;
        remaining := remaining >> 1;
    END LOOP;

    INSERT INTO public.audit_events VALUES (
        p_size, p_event_id, p_stream_type, p_stream_id, p_stream_version, p_event_type,
        p_schema_version, p_data, p_actor, p_reason, p_command_id, p_command_index,
        p_command_digest, p_related_account_id, p_occurred_at, recorded, session_user::text,
        leaf, roots);

    UPDATE public.audit_head AS h
    SET size = p_size + 1, peaks = subtrees || node,
        appended_by = pg_current_xact_id(), appended_at = recorded
    WHERE h.only_row;
    RETURN p_size;
END
$$;

-- Appends one event and returns its position. A command of several events calls it
-- once for each in one transaction (a client sends the calls in one round trip).
--
-- Errors: RG001 stale expected version, RG002 command applied already,
-- RG003 command_id used for another command.
CREATE OR REPLACE FUNCTION public.append_event(
    p_event_id uuid, p_stream_type text, p_stream_id uuid, p_expected_version integer,
    p_event_type text, p_schema_version integer, p_data json, p_actor text, p_reason text,
    p_command_id uuid, p_command_index integer, p_command_digest bytea,
    p_related_account_id uuid, p_occurred_at timestamptz
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off AS $$
DECLARE
    size bigint;
    peaks bytea[];
    appended_at timestamptz;
    known_digest bytea;
    actual_version integer;
    -- Fails on what jsonb cannot hold, and the views of the log could not show.
    readable constant jsonb := p_data::jsonb;
BEGIN
    -- Nor what readers of JSON give up on: it would be in the way of every reader for ever.
    IF readable @? '$.**{65 to last}'
        OR readable @? '$.** ? (@.type() == "number" && (@ > 1e308 || @ < -1e308))' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'the data of an event is nested more than 64 levels deep, or holds too large a number';
    END IF;
    -- The lock is held to the end of the transaction: positions follow the order of
    -- commits, so a reader that has seen position n has seen everything before it.
    SELECT h.size, h.peaks, h.appended_at INTO STRICT size, peaks, appended_at
    FROM public.audit_head AS h
    WHERE h.only_row
    FOR UPDATE;

    -- After the lock: a statement of its own, so that it sees what was waited for.
    SELECT
        (SELECT e.command_digest
         FROM public.audit_events AS e
         WHERE e.command_id = p_command_id AND e.command_index = p_command_index),
        coalesce(
            -- Not max(), for which the planner may read the whole of a stream.
            (SELECT e.stream_version
             FROM public.audit_events AS e
             WHERE e.stream_type = p_stream_type AND e.stream_id = p_stream_id
             ORDER BY e.stream_version DESC
             LIMIT 1), 0)
    INTO known_digest, actual_version;

    IF known_digest = p_command_digest THEN
        RAISE EXCEPTION USING ERRCODE = 'RG002',
            MESSAGE = format('command %s was applied already', p_command_id);
    ELSIF known_digest IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'RG003',
            MESSAGE = format('command_id %s belongs to another command', p_command_id),
            HINT = 'Give every command an id of its own.';
    ELSIF actual_version IS DISTINCT FROM p_expected_version THEN
        RAISE EXCEPTION USING ERRCODE = 'RG001',
            MESSAGE = format('%s %s is at version %s, not %s',
                p_stream_type, p_stream_id, actual_version, p_expected_version),
            HINT = 'Read the stream again and decide again.';
    END IF;

    RETURN public.audit_write(
        size, peaks, appended_at, p_event_id, p_stream_type, p_stream_id, actual_version + 1, p_event_type,
        p_schema_version, p_data, p_actor, p_reason, p_command_id, p_command_index,
        p_command_digest, p_related_account_id, p_occurred_at);
END
$$;
