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
-- have and no unknown one, of their types, and numbers that the tables can hold. Not TRUE (but
-- maybe NULL) if it is not, or if no program writes such an event. It keeps out what a hand has
-- made; the program's own events are checked in full before they are sent. (It runs with each
-- append, inlined: a jsonpath costs a microsecond. So it names nothing that is not built in, and
-- nothing stable.)
-- Generated by scripts/generate-event-checks from the models in registry/events.
CREATE OR REPLACE FUNCTION public.event_is_well_formed(
    p_stream_type text, p_stream_version integer, p_event_type text, p_data jsonb
) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN p_event_type = 'AccountCreated' THEN
        p_stream_type = 'account'
        AND p_data - '{account_name, wallet_address, description, metadata, is_active, created_at,
            updated_at, origin}'::text[] = '{}'
        AND p_data @@ 'strict
            $.account_name.type() == "string"'
        AND p_data @@ 'lax
            !($.wallet_address.type() != "null" && $.wallet_address.type() != "string")
            && !($.description.type() != "null" && $.description.type() != "string")
            && !($.metadata.type() != "object")
            && !($.is_active.type() != "boolean")
            && !($.created_at.type() != "null" && $.created_at.type() != "string")
            && !($.updated_at.type() != "null" && $.updated_at.type() != "string")
            && (!exists($.origin) || $.origin.type() == "null" || $.origin.type() == "string" &&
                $.origin == "legacy")'
    WHEN p_event_type = 'AccountUpdated' THEN
        p_stream_type = 'account'
        AND p_data - '{wallet_address, description, metadata}'::text[] = '{}'
        AND p_data @@ 'lax
            !($.wallet_address.type() != "null" && $.wallet_address.type() != "string")
            && !($.description.type() != "null" && $.description.type() != "string")
            && !($.metadata.type() != "object")'
    WHEN p_event_type = 'AccountRenamed' THEN
        p_stream_type = 'account'
        AND p_data - '{account_name, previous_name}'::text[] = '{}'
        AND p_data @@ 'strict
            $.account_name.type() == "string"
            && $.previous_name.type() == "string"'
    WHEN p_event_type IN ('AccountDeactivated', 'AccountReactivated') THEN
        p_stream_type = 'account'
        AND p_data = '{}'
    WHEN p_event_type = 'AccountDeleted' THEN
        p_stream_type = 'account'
        AND p_data - '{account_name}'::text[] = '{}'
        AND p_data @@ 'strict
            $.account_name.type() == "string"'
    WHEN p_event_type = 'AccountRestored' THEN
        p_stream_type = 'account'
        AND p_data - '{account_name, wallet_address, description, metadata, is_active,
            created_at}'::text[] = '{}'
        AND p_data @@ 'strict
            $.account_name.type() == "string"
            && $.is_active.type() == "boolean"
            && $.created_at.type() == "string"'
        AND p_data @@ 'lax
            !($.wallet_address.type() != "null" && $.wallet_address.type() != "string")
            && !($.description.type() != "null" && $.description.type() != "string")
            && !($.metadata.type() != "object")'
    WHEN p_event_type = 'CredentialAdded' THEN
        p_stream_type = 'account'
        AND p_data - '{credential_id, exchange, exchange_id, subaccount_index, permission, version,
            data_key_id, tokens, fingerprints, label, expires_at, ip_allow_list,
            exchange_account_id, created_at, last_used, updated_at, is_active, origin}'::text[] =
            '{}'
        AND p_data @@ 'strict
            $.credential_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && ($.subaccount_index == null || $.subaccount_index >= 0 && $.subaccount_index <
                2147483648 && $.subaccount_index % 1 == 0)
            && ($.permission == "full" || $.permission == "read_only")
            && $.version > 0 && $.version % 1 == 0
            && $.data_key_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.tokens.type() == "object" && !($.tokens.*.type() != "string")
            && $.fingerprints.type() == "object" && !($.fingerprints.*.type() != "string")'
        AND CASE jsonb_typeof(p_data -> 'version') WHEN 'number' THEN
            (p_data ->> 'version')::numeric <= p_stream_version END
        AND p_data @@ 'lax
            !($.label.type() != "null" && $.label.type() != "string")
            && !($.expires_at.type() != "null" && $.expires_at.type() != "string")
            && (!exists($.ip_allow_list) || $.ip_allow_list.type() == "null" ||
                $.ip_allow_list.type() == "array" && !($.ip_allow_list[*].type() != "string"))
            && !($.exchange_account_id.type() != "null" && $.exchange_account_id.type() != "string")
            && !($.created_at.type() != "null" && $.created_at.type() != "string")
            && !($.last_used.type() != "null" && $.last_used.type() != "string")
            && !($.updated_at.type() != "null" && $.updated_at.type() != "string")
            && !($.is_active.type() != "boolean")
            && (!exists($.origin) || $.origin.type() == "null" || $.origin.type() == "string" &&
                $.origin == "legacy")'
    WHEN p_event_type = 'CredentialReplaced' THEN
        p_stream_type = 'account'
        AND p_data - '{credential_id, exchange, exchange_id, subaccount_index, permission, version,
            data_key_id, tokens, fingerprints, label, expires_at, ip_allow_list,
            exchange_account_id}'::text[] = '{}'
        AND p_data @@ 'strict
            $.credential_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && ($.subaccount_index == null || $.subaccount_index >= 0 && $.subaccount_index <
                2147483648 && $.subaccount_index % 1 == 0)
            && ($.permission == "full" || $.permission == "read_only")
            && $.version > 0 && $.version % 1 == 0
            && $.data_key_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.tokens.type() == "object" && !($.tokens.*.type() != "string")
            && $.fingerprints.type() == "object" && !($.fingerprints.*.type() != "string")'
        AND CASE jsonb_typeof(p_data -> 'version') WHEN 'number' THEN
            (p_data ->> 'version')::numeric <= p_stream_version END
        AND p_data @@ 'lax
            !($.label.type() != "null" && $.label.type() != "string")
            && !($.expires_at.type() != "null" && $.expires_at.type() != "string")
            && (!exists($.ip_allow_list) || $.ip_allow_list.type() == "null" ||
                $.ip_allow_list.type() == "array" && !($.ip_allow_list[*].type() != "string"))
            && !($.exchange_account_id.type() != "null" && $.exchange_account_id.type() != "string")'
    WHEN p_event_type = 'CredentialUpdated' THEN
        p_stream_type = 'account'
        AND p_data - '{credential_id, exchange, exchange_id, subaccount_index, permission, label,
            expires_at, ip_allow_list, exchange_account_id}'::text[] = '{}'
        AND p_data @@ 'strict
            $.credential_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && ($.subaccount_index == null || $.subaccount_index >= 0 && $.subaccount_index <
                2147483648 && $.subaccount_index % 1 == 0)
            && ($.permission == "full" || $.permission == "read_only")'
        AND p_data @@ 'lax
            !($.label.type() != "null" && $.label.type() != "string")
            && !($.expires_at.type() != "null" && $.expires_at.type() != "string")
            && (!exists($.ip_allow_list) || $.ip_allow_list.type() == "null" ||
                $.ip_allow_list.type() == "array" && !($.ip_allow_list[*].type() != "string"))
            && !($.exchange_account_id.type() != "null" && $.exchange_account_id.type() != "string")'
    WHEN p_event_type IN ('CredentialDeactivated', 'CredentialReactivated', 'CredentialRemoved')
        THEN
        p_stream_type = 'account'
        AND p_data - '{credential_id, exchange, exchange_id, subaccount_index, permission}'::text[]
            = '{}'
        AND p_data @@ 'strict
            $.credential_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && ($.subaccount_index == null || $.subaccount_index >= 0 && $.subaccount_index <
                2147483648 && $.subaccount_index % 1 == 0)
            && ($.permission == "full" || $.permission == "read_only")'
    WHEN p_event_type = 'CredentialSecretsDestroyed' THEN
        p_stream_type = 'account'
        AND p_data - '{credential_id, exchange, exchange_id, subaccount_index, permission, versions,
            data_key_ids}'::text[] = '{}'
        AND p_data @@ 'strict
            $.credential_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && ($.subaccount_index == null || $.subaccount_index >= 0 && $.subaccount_index <
                2147483648 && $.subaccount_index % 1 == 0)
            && ($.permission == "full" || $.permission == "read_only")
            && $.versions.type() == "array" && !($.versions[*].type() != "number")
            && $.data_key_ids.type() == "array" && !($.data_key_ids[*].type() != "string")'
    WHEN p_event_type = 'ExchangeAdded' THEN
        p_stream_type = 'exchange'
        AND p_data - '{exchange, exchange_id, display_name, fields, ccxt_id}'::text[] = '{}'
        AND p_data @@ 'strict
            $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && $.display_name.type() == "string"
            && $.fields.type() == "array" && !($.fields[*].type() != "object")'
        AND p_data @@ 'lax
            !($.ccxt_id.type() != "null" && $.ccxt_id.type() != "string")'
    WHEN p_event_type IN ('PositionsLinked', 'PositionsUnlinked') THEN
        p_stream_type = 'account'
        AND p_data - '{positions}'::text[] = '{}'
        AND p_data @@ 'strict
            $.positions.type() == "array" && !($.positions[*].type() != "string")'
    WHEN p_event_type = 'ProjectionsRebuilt' THEN
        p_stream_type = 'registry'
        AND p_data - '{size, tables}'::text[] = '{}'
        AND p_data @@ 'strict
            $.size % 1 == 0
            && $.tables.type() == "object" && !($.tables.*.type() != "object")'
    WHEN p_event_type = 'SchemaTakenDown' THEN
        p_stream_type = 'registry'
        AND p_data - '{references}'::text[] = '{}'
        AND p_data @@ 'strict
            $.references.type() == "array" && !($.references[*].type() != "object")'
    WHEN p_event_type = 'SharingGranted' THEN
        p_stream_type = 'account'
        AND p_data - '{share_id, exchange, exchange_id, lender_id, lender, sharing_type, created_at,
            updated_at, origin}'::text[] = '{}'
        AND p_data @@ 'strict
            $.share_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && $.lender_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.lender.type() == "string"
            && ($.sharing_type == "full" || $.sharing_type == "read_only" || $.sharing_type ==
                "positions_only")'
        AND p_data @@ 'lax
            !($.created_at.type() != "null" && $.created_at.type() != "string")
            && !($.updated_at.type() != "null" && $.updated_at.type() != "string")
            && (!exists($.origin) || $.origin.type() == "null" || $.origin.type() == "string" &&
                $.origin == "legacy")'
    WHEN p_event_type IN ('SharingChanged', 'SharingRevoked') THEN
        p_stream_type = 'account'
        AND p_data - '{share_id, exchange, exchange_id, lender_id, lender, sharing_type}'::text[] =
            '{}'
        AND p_data @@ 'strict
            $.share_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && $.lender_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.lender.type() == "string"
            && ($.sharing_type == "full" || $.sharing_type == "read_only" || $.sharing_type ==
                "positions_only")'
    WHEN p_event_type IN ('AccessGranted', 'AccessRevoked') THEN
        p_stream_type = 'account'
        AND p_data - '{access_id, role}'::text[] = '{}'
        AND p_data @@ 'strict
            $.access_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.role.type() == "string"'
    WHEN p_event_type = 'CredentialReleased' THEN
        p_stream_type = 'release'
        AND p_data - '{account, exchange, exchange_id, purpose, host, client_address, credential_id,
            credential_version, subaccount_index, permission, source, access, lender_id, lender,
            share_id, sharing_type}'::text[] = '{}'
        AND p_data @@ 'strict
            $.account.type() == "string"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && $.purpose.type() == "string"
            && $.host.type() == "string"
            && ($.client_address == null || $.client_address.type() == "string")
            && $.credential_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            && $.credential_version > 0 && $.credential_version < 2147483648 && $.credential_version
                % 1 == 0
            && ($.subaccount_index == null || $.subaccount_index >= 0 && $.subaccount_index <
                2147483648 && $.subaccount_index % 1 == 0)
            && ($.permission == "full" || $.permission == "read_only")
            && ($.source == "own" || $.source == "shared")
            && ($.access == "full" || $.access == "read_only" || $.access == "positions_only")
            && ($.lender_id == null || $.lender_id like_regex
                "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
            && ($.lender == null || $.lender.type() == "string")
            && ($.share_id == null || $.share_id like_regex
                "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
            && ($.sharing_type == null || ($.sharing_type == "full" || $.sharing_type == "read_only"
                || $.sharing_type == "positions_only"))'
    WHEN p_event_type = 'EnvironmentFallbackUsed' THEN
        p_stream_type = 'release'
        AND p_data - '{account, exchange, exchange_id, purpose, host, client_address,
            origin}'::text[] = '{}'
        AND p_data @@ 'strict
            $.account.type() == "string"
            && $.exchange.type() == "string"
            && $.exchange_id > 0 && $.exchange_id < 2147483648 && $.exchange_id % 1 == 0
            && $.purpose.type() == "string"
            && $.host.type() == "string"
            && ($.client_address == null || $.client_address.type() == "string")
            && $.origin.type() == "string"'
    WHEN p_event_type = 'MasterKeyRotated' THEN
        p_stream_type = 'registry'
        AND p_data - '{master_key_id, previous_key_ids, keys, remaining}'::text[] = '{}'
        AND p_data @@ 'strict
            $.master_key_id.type() == "string"
            && $.previous_key_ids.type() == "array" && !($.previous_key_ids[*].type() != "string")
            && $.keys % 1 == 0
            && $.remaining % 1 == 0'
    WHEN p_event_type = 'LegacyAdopted' THEN
        p_stream_type = 'registry'
        AND p_data - '{tables, decisions}'::text[] = '{}'
        AND p_data @@ 'strict
            $.tables.type() == "object" && !($.tables.*.type() != "object")
            && $.decisions.type() == "array" && !($.decisions[*].type() != "object")'
    WHEN p_event_type = 'SessionEnded' THEN
        p_stream_type = 'registry'
        AND p_data - '{pid, role, application, client, since}'::text[] = '{}'
        AND p_data @@ 'strict
            $.pid > 0 && $.pid % 1 == 0
            && $.role.type() == "string"'
        AND p_data @@ 'lax
            !($.application.type() != "null" && $.application.type() != "string")
            && !($.client.type() != "null" && $.client.type() != "string")
            && !($.since.type() != "null" && $.since.type() != "string")'
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
