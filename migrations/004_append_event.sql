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
ALTER FUNCTION public.audit_leaf OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.audit_leaf FROM PUBLIC;

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
ALTER FUNCTION public.audit_write OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.audit_write FROM PUBLIC;

-- Whether the data is what an event of its type holds, in its stream: the fields that it must
-- have, of their types, and numbers that the tables can hold. Not TRUE (but maybe NULL) if it is
-- not, or if no program writes such an event. It keeps out what a hand has made; the program's
-- own events are checked in full before they are sent. (It runs with each append, inlined: a
-- jsonpath costs a microsecond. So it names nothing that is not built in, and nothing stable.)
CREATE OR REPLACE FUNCTION public.event_is_well_formed(
    p_stream_type text, p_stream_version integer, p_event_type text, p_data jsonb
) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN p_event_type = ANY ('{AccountCreated,AccountUpdated,AccountRestored}') THEN
        p_stream_type = 'account' AND p_data @@ 'lax
            !($.wallet_address.type() != "string" && $.wallet_address.type() != "null")
            && !($.description.type() != "string" && $.description.type() != "null")
            && !($.metadata.type() != "object")
            && !($.is_active.type() != "boolean")
            && !($.created_at.type() != "string" && $.created_at.type() != "null")
            && !($.updated_at.type() != "string" && $.updated_at.type() != "null")'
        AND CASE p_event_type
            WHEN 'AccountCreated' THEN p_data @@ 'strict $.account_name.type() == "string"'
            WHEN 'AccountRestored' THEN p_data @@ 'strict $.account_name.type() == "string"
                && $.is_active.type() == "boolean" && $.created_at.type() == "string"'
            ELSE TRUE END
    WHEN p_event_type = ANY ('{AccountDeactivated,AccountReactivated}') THEN
        p_stream_type = 'account'
    WHEN p_event_type = 'AccountRenamed' THEN
        p_stream_type = 'account' AND p_data @@ 'strict $.account_name.type() == "string"
            && $.previous_name.type() == "string"'
    WHEN p_event_type = 'AccountDeleted' THEN
        p_stream_type = 'account' AND p_data @@ 'strict $.account_name.type() == "string"'
    WHEN p_event_type = ANY ('{CredentialAdded,CredentialReplaced,CredentialUpdated,CredentialRemoved,'
            'CredentialDeactivated,CredentialReactivated,CredentialSecretsDestroyed}') THEN
        p_stream_type = 'account' AND p_data @@ 'strict
            $.credential_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648
            && ($.subaccount_index == null || $.subaccount_index >= 0 && $.subaccount_index < 2147483648)
            && ($.permission == "full" || $.permission == "read_only")'
        AND CASE
            WHEN p_event_type = ANY ('{CredentialAdded,CredentialReplaced}') THEN p_data @@ 'strict
                $.data_key_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
                && $.version > 0
                && $.tokens.type() == "object" && $.fingerprints.type() == "object"'
                -- Each version is an event, so a higher one was made up. (The slot's next
                -- version is one more; after the highest that there can be, there is none.)
                AND CASE jsonb_typeof(p_data -> 'version') WHEN 'number' THEN
                    (p_data ->> 'version')::numeric <= p_stream_version END
            WHEN p_event_type = 'CredentialSecretsDestroyed' THEN p_data @@ 'strict
                $.versions.type() == "array" && $.data_key_ids.type() == "array"'
            ELSE TRUE END
        AND p_data @@ 'lax
            !($.label.type() != "string" && $.label.type() != "null")
            && !($.expires_at.type() != "string" && $.expires_at.type() != "null")
            && !($.exchange_account_id.type() != "string" && $.exchange_account_id.type() != "null")
            && !($.ip_allow_list.type() != "array" && $.ip_allow_list.type() != "null")'
    WHEN p_event_type = ANY ('{SharingGranted,SharingChanged,SharingRevoked}') THEN
        p_stream_type = 'account' AND p_data @@ 'strict
            $.share_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.lender_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.lender.type() == "string" && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648
            && ($.sharing_type == "full" || $.sharing_type == "read_only"
                || $.sharing_type == "positions_only")'
    WHEN p_event_type = ANY ('{AccessGranted,AccessRevoked}') THEN
        p_stream_type = 'account' AND p_data @@ 'strict
            $.access_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.role.type() == "string"'
    WHEN p_event_type = ANY ('{PositionsLinked,PositionsUnlinked}') THEN
        -- Not each of the ids: there may be thousands.
        p_stream_type = 'account' AND p_data @@ 'strict $.positions.type() == "array"
            && !($.positions[*].type() != "string")'
    WHEN p_event_type = ANY ('{CredentialReleased,EnvironmentFallbackUsed}') THEN
        p_stream_type = 'release' AND p_data @@ 'strict
            $.account.type() == "string" && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648
            && $.purpose.type() == "string" && $.host.type() == "string"'
        AND (p_event_type = 'EnvironmentFallbackUsed' OR p_data @@ 'strict
            $.credential_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.credential_version > 0 && $.credential_version < 2147483648')
    WHEN p_event_type = 'ExchangeAdded' THEN
        p_stream_type = 'exchange' AND p_data @@ 'strict $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648
            && $.display_name.type() == "string" && $.fields.type() == "array"'
    WHEN p_event_type = 'MasterKeyRotated' THEN
        p_stream_type = 'registry' AND p_data @@ 'strict $.master_key_id.type() == "string"
            && $.previous_key_ids.type() == "array"
            && $.keys.type() == "number" && $.remaining.type() == "number"'
    WHEN p_event_type = 'LegacyAdopted' THEN
        p_stream_type = 'registry' AND p_data @@ 'strict $.tables.type() == "object"
            && $.decisions.type() == "array"'
    WHEN p_event_type = 'ProjectionsRebuilt' THEN
        p_stream_type = 'registry' AND p_data @@ 'strict $.size.type() == "number"
            && $.tables.type() == "object"'
    WHEN p_event_type = 'SchemaTakenDown' THEN
        p_stream_type = 'registry' AND p_data @@ 'strict $.references.type() == "array"'
    WHEN p_event_type = 'SessionEnded' THEN
        p_stream_type = 'registry' AND p_data @@ 'strict $.pid > 0
            && $.role.type() == "string"'
END;
ALTER FUNCTION public.event_is_well_formed OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.event_is_well_formed FROM PUBLIC;

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
SET enable_seqscan = off
SET jit = off AS $$
DECLARE
    size bigint;
    peaks bytea[];
    appended_at timestamptz;
    known_digest bytea;
    actual_version integer;
    -- Fails on what jsonb cannot hold, and the views of the log could not show.
    readable constant jsonb := p_data::jsonb;
    well_formed constant boolean := public.event_is_well_formed(
        p_stream_type, p_expected_version + 1, p_event_type, readable);
BEGIN
    -- Nor what readers of JSON give up on: it would be in the way of every reader for ever.
    IF readable @? '$.**{65 to last}'
        OR readable @? '$.** ? (@.type() == "number" && (@ > 1e308 || @ < -1e308))' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'the data of an event is nested more than 64 levels deep, or holds too large a number';
    -- Every program whose migrations these are writes version 1 of all events.
    ELSIF p_schema_version <> 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation',
            MESSAGE = format('this database knows no event %s of version %s', p_event_type, p_schema_version),
            HINT = 'A newer program writes it after its own: account-registry migrate up';
    ELSIF well_formed IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation',
            MESSAGE = format('the data is not what an event %s of a stream %s holds',
                p_event_type, p_stream_type);
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
ALTER FUNCTION public.append_event OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.append_event FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.append_event TO registry_operator;
