-- Loads of many bots at once: one turn, one update of the head and one flush for each, which nobody
-- else waits for.
--
-- Errors: RG021 a release is refused.

-- First, since a load reads the head before it takes its turn: whoever waits here holds nothing.
LOCK TABLE public.audit_head IN ACCESS EXCLUSIVE MODE;

-- What a request decides for one exchange. The table stays empty: functions use the type of its
-- rows, and its lock, which whoever may not use the table cannot take (see take_turn).
CREATE TABLE IF NOT EXISTS public.release_answers (
    exchange TEXT, outcome TEXT, release_id UUID, event_position BIGINT, source TEXT,
    owner_name TEXT, credential_id UUID, version INTEGER, subaccount_index INTEGER,
    permission TEXT, access TEXT, sharing_type TEXT, expires_at TIMESTAMP, choices TEXT[],
    other_users INTEGER, master_key_id TEXT, lender_id UUID, data JSON
);
ALTER TABLE public.release_answers OWNER TO registry_owner;
REVOKE ALL ON public.release_answers FROM PUBLIC;

-- Marks in the server's log (WAL): all events before position `size` were committed before `place`.
-- Each stays true whoever set it, and until a crash, which empties the table, since it is not logged.
CREATE UNLOGGED TABLE IF NOT EXISTS public.log_marks (
    size BIGINT NOT NULL,
    place PG_LSN NOT NULL
);
CREATE INDEX IF NOT EXISTS idx_log_marks_size ON public.log_marks (size);
ALTER TABLE public.log_marks OWNER TO registry_owner;
REVOKE ALL ON public.log_marks FROM PUBLIC;

-- A row is a release that was collected, for as long as it could be collected again.
DO $collected$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'public.release_collections'::regclass
               AND attname = 'is_collected' AND NOT attisdropped) THEN
        DELETE FROM public.release_collections WHERE NOT is_collected;
        ALTER TABLE public.release_collections DROP COLUMN durable_at, DROP COLUMN is_collected;
    END IF;
END
$collected$;

-- How many events append_releases wrote: whoever compares it with the size sees, at any time,
-- whether something else was appended.
ALTER TABLE public.audit_head ADD COLUMN IF NOT EXISTS releases BIGINT NOT NULL DEFAULT 0;

-- Who holds the log until its transaction ends makes everybody wait. The server ends a session that
-- then stands still, and refuses to prepare the transaction (see limit_idle_time of migration 020).
CREATE OR REPLACE FUNCTION public.limit_holder() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    limited constant interval := current_setting('idle_in_transaction_session_timeout')::interval;
BEGIN
    IF limited = '0' OR limited > '30 s' THEN
        PERFORM set_config('idle_in_transaction_session_timeout', '30s', TRUE);
    END IF;
    -- Any login can fill the queue; then the commit would fail.
    IF current_setting('max_prepared_transactions')::integer > 0
        AND pg_notification_queue_usage() < 0.5
    THEN
        NOTIFY account_registry_not_prepared;
    END IF;
END
$$;
ALTER FUNCTION public.limit_holder OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.limit_holder FROM PUBLIC;

-- For those who append without a turn: commands.
CREATE OR REPLACE FUNCTION public.limit_idle_time() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.limit_holder();
    RETURN NULL;
END
$$;
ALTER FUNCTION public.limit_idle_time OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.limit_idle_time FROM PUBLIC;

-- Takes the log's lock for the rest of the transaction, and returns the head. Loads take turns
-- before: whoever waits for a row is served by chance, and whoever waits for a table in the order of
-- coming. The table's lock hinders nobody but its like, and is for the functions of the registry only.
CREATE OR REPLACE FUNCTION public.take_turn() RETURNS public.audit_head
LANGUAGE plpgsql AS $$
DECLARE
    head public.audit_head;
BEGIN
    -- Tells commands that they are not alone (registry.database.durability).
    PERFORM pg_try_advisory_xact_lock_shared(7234117010);
    PERFORM public.limit_holder();
    -- Whoever has appended holds the head already, and others wait for it with their turn.
    PERFORM FROM public.audit_head AS h
    WHERE h.only_row AND h.appended_by = pg_current_xact_id_if_assigned();
    IF NOT FOUND THEN
        LOCK TABLE public.release_answers IN SHARE UPDATE EXCLUSIVE MODE;
    END IF;
    SELECT * INTO STRICT head FROM public.audit_head AS h WHERE h.only_row FOR UPDATE;
    RETURN head;
END
$$;
ALTER FUNCTION public.take_turn OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.take_turn FROM PUBLIC;

-- The account of this name if the session may use it; then nothing changes from here on until its
-- transaction ends. Who may not is told so without the lock, and delays nobody.
CREATE OR REPLACE FUNCTION public.session_account_locked(p_account text) RETURNS record
LANGUAGE plpgsql AS $$
DECLARE
    account record := public.session_account(p_account);
BEGIN
    IF account.outcome = 'ok' THEN
        PERFORM public.take_turn();
        account := public.session_account(p_account);
    END IF;
    RETURN account;
END
$$;
ALTER FUNCTION public.session_account_locked OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.session_account_locked FROM PUBLIC;

-- The first stop in force that is about this use, or NULL. Where nothing was ever stopped, no more is
-- looked at.
CREATE OR REPLACE FUNCTION public.stop_of(
    p_account_id uuid, p_exchange_id integer, p_owner_id uuid, p_subaccount integer, p_permission text
) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM FROM public.audit_trail AS e
    WHERE e.stream_type = 'stop' AND e.stream_id = '8f0a5f0e-6f3b-5c52-9a51-0a1f0a7a6a04'
    ORDER BY e.stream_version DESC
    LIMIT 1;
    RETURN CASE WHEN FOUND THEN (
        SELECT s.stop
        FROM public.stops_in_force AS s
        WHERE public.stop_includes(
            s.stop, p_account_id, p_exchange_id, p_owner_id, p_subaccount, p_permission)
        ORDER BY s.position
        LIMIT 1) END;
END
$$;
ALTER FUNCTION public.stop_of OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.stop_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.stop_of TO registry_operator, registry_auditor;

-- What an account is given for each exchange, or why it is not. Nothing is written.
CREATE OR REPLACE FUNCTION public.decide_releases(
    p_account text, p_account_id uuid, p_exchanges text[], p_subaccounts jsonb, p_access text,
    p_lender text, p_host text, p_purpose text, p_master_keys text[]
) RETURNS public.release_answers[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    exchanges constant text[] := CASE
        WHEN p_exchanges IS NULL THEN ARRAY(SELECT * FROM public.exchanges_of(p_account_id))
        ELSE ARRAY(
            SELECT n.name FROM unnest(p_exchanges) WITH ORDINALITY AS n (name, place)
            GROUP BY n.name ORDER BY min(n.place))
    END;
    ids constant integer[] := ARRAY(
        SELECT (SELECT d.id FROM public.dexes AS d WHERE d.name = n.name)
        FROM unnest(exchanges) WITH ORDINALITY AS n (name, place) ORDER BY n.place);
    is_bot constant boolean := public.session_is_bot();
    answers public.release_answers[] := '{}';
    wanted text;
    exchange_id integer;
    found record;
    outcome text;
    lender_id uuid;
    master_key_id text;
BEGIN
    -- Few and long expressions: each transaction prepares each of them anew.
    FOR i IN 1 .. cardinality(exchanges) LOOP
        wanted := exchanges[i];
        exchange_id := ids[i];
        found := public.resolve_credential(p_account_id, exchange_id,
            public.wanted_subaccount(p_subaccounts, wanted), p_access, p_lender);
        outcome := CASE WHEN exchange_id IS NULL THEN 'exchange_not_found' ELSE found.outcome END;
        lender_id := CASE WHEN found.source = 'shared' THEN found.owner_id END;
        master_key_id := NULL;
        IF outcome = 'ok' AND p_master_keys IS NOT NULL THEN
            master_key_id := (
                SELECT k.master_key_id
                FROM public.account_exchange_credentials AS c
                JOIN public.credential_data_keys AS k ON k.id = c.data_key_id
                WHERE c.id = found.credential_id);
            outcome := CASE WHEN master_key_id <> ALL (p_master_keys) THEN 'other_master_key' ELSE 'ok' END;
        END IF;
        IF outcome = 'ok' THEN
            answers := answers || ROW(
                wanted, 'ok', gen_random_uuid(), NULL, found.source, found.owner_name, found.credential_id,
                found.version, found.subaccount_index, found.permission, found.access, found.sharing_type,
                found.expires_at, found.choices,
                CASE WHEN is_bot THEN 0 ELSE public.other_users(
                    p_account_id, found.owner_id, exchange_id, found.credential_id, found.version) END,
                master_key_id, lender_id, json_build_object(
                    'account', p_account, 'exchange', wanted, 'exchange_id', exchange_id,
                    'credential_id', found.credential_id, 'credential_version', found.version,
                    'subaccount_index', found.subaccount_index, 'permission', found.permission,
                    'source', found.source, 'access', found.access, 'lender_id', lender_id,
                    'lender', found.owner_name, 'share_id', found.share_id,
                    'sharing_type', found.sharing_type, 'purpose', p_purpose, 'host', p_host,
                    'client_address', host(inet_client_addr())))::public.release_answers;
        ELSE
            answers := answers || CASE WHEN exchange_id IS NULL
                THEN jsonb_populate_record(NULL::public.release_answers,
                    jsonb_build_object('exchange', wanted, 'outcome', outcome))
                ELSE ROW(
                    wanted, outcome, NULL, NULL, found.source, found.owner_name, found.credential_id,
                    found.version, found.subaccount_index, found.permission, found.access,
                    found.sharing_type, found.expires_at, found.choices, NULL, master_key_id,
                    NULL, NULL)::public.release_answers
                END;
        END IF;
    END LOOP;
    RETURN answers;
END
$$;
ALTER FUNCTION public.decide_releases OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.decide_releases FROM PUBLIC;

-- Appends an event for each release that is granted, and returns the answers with its position. The
-- caller has locked the head, so the versions need no check. (See audit_write about the hashes.)
CREATE OR REPLACE FUNCTION public.append_releases(
    p_head public.audit_head, p_answers public.release_answers[], p_account_id uuid, p_actor text,
    p_reason text, p_released_at timestamptz
) RETURNS public.release_answers[]
LANGUAGE plpgsql AS $$
DECLARE
    answers public.release_answers[] := p_answers;
    subtrees bytea[] := p_head.peaks;
    new_size bigint := p_head.size;
    recorded constant timestamptz := greatest(clock_timestamp(), p_head.appended_at);
    version integer;
    actor constant text := public.release_claim(p_actor);
    command_id constant uuid := gen_random_uuid();
    answer public.release_answers;
    events public.audit_events[] := '{}';
    used uuid[] := '{}';
    digest bytea;
    leaf bytea;
    node bytea;
    roots bytea[];
    remaining bigint;
    leaf_prefix constant bytea := decode('00', 'hex');
    node_prefix constant bytea := decode('01', 'hex');
BEGIN
    version := coalesce((
        SELECT e.stream_version
        FROM public.audit_events AS e
        WHERE e.stream_type = 'release' AND e.stream_id = p_account_id
        ORDER BY e.stream_version DESC
        LIMIT 1), 0);
    FOR i IN 1 .. cardinality(answers) LOOP
        answer := answers[i];
        CONTINUE WHEN answer.outcome <> 'ok';
        version := version + 1;
        digest := sha256(convert_to(answer.data::text, 'UTF8'));
        leaf := sha256(leaf_prefix || public.audit_leaf(
            new_size, answer.release_id, 'release', p_account_id, version, 'CredentialReleased', 1,
            answer.data, actor, p_reason, command_id, cardinality(used), digest, answer.lender_id,
            p_released_at, recorded, session_user::text));
        node := leaf;
        roots := '{}';
        remaining := new_size;
        WHILE remaining & 1 = 1 LOOP
            node := sha256(node_prefix || subtrees[cardinality(subtrees)] || node);
            subtrees := trim_array(subtrees, 1);
            roots := roots || node;
            remaining := remaining >> 1;
        END LOOP;
        subtrees := subtrees || node;
        events := events || ROW(
            new_size, answer.release_id, 'release', p_account_id, version, 'CredentialReleased', 1,
            answer.data, actor, p_reason, command_id, cardinality(used), digest, answer.lender_id,
            p_released_at, recorded, session_user::text, leaf, roots)::public.audit_events;
        answers[i].event_position := new_size;
        used := used || answer.credential_id;
        new_size := new_size + 1;
    END LOOP;
    IF used <> '{}' THEN
        INSERT INTO public.audit_events SELECT * FROM unnest(events);
        UPDATE public.audit_head AS h
        SET size = new_size, peaks = subtrees, releases = h.releases + cardinality(used),
            appended_by = pg_current_xact_id(), appended_at = recorded
        WHERE h.only_row;
        UPDATE public.account_exchange_credentials AS c
        SET last_used = p_released_at AT TIME ZONE 'UTC'
        WHERE c.id = ANY (used);
    END IF;
    RETURN answers;
END
$$;
ALTER FUNCTION public.append_releases OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.append_releases FROM PUBLIC;

-- Step one of a release: decides, and records that a secret leaves. One row for each exchange (all
-- that the account can use, unless some are named) with its outcome; where it is 'ok',
-- the release can be collected once this transaction is committed. A refusal that is
-- about the account as a whole is one row without an exchange. Nothing is released if the
-- choice of subaccounts names an exchange that is not asked for; `choices` are those that are. Nor
-- is what was sealed with none of the given master keys, which the caller could not open.
CREATE OR REPLACE FUNCTION public.request_releases(
    p_account text, p_exchanges text[], p_subaccounts jsonb, p_access text, p_lender text,
    p_actor text, p_host text, p_purpose text, p_reason text DEFAULT NULL,
    p_master_keys text[] DEFAULT NULL
) RETURNS TABLE (
    exchange text, outcome text, release_id uuid, event_position bigint, source text, owner_name text,
    credential_id uuid, version integer, subaccount_index integer, permission text, access text,
    sharing_type text, expires_at timestamp, choices text[], other_users integer, master_key_id text
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- Planning with the values known would take longer than it saves.
SET plan_cache_mode = force_generic_plan
-- All is looked up by key (see collect_releases).
SET enable_seqscan = off
SET jit = off AS $$
#variable_conflict use_column
DECLARE
    account record;
    answers public.release_answers[];
    others bigint;
    head public.audit_head;
    purpose constant text := public.release_claim(p_purpose);
    host constant text := public.release_claim(p_host);
    reason constant text := CASE WHEN p_reason <> '' THEN public.release_claim(p_reason, 1000) END;
BEGIN
    -- What takes long is refused or done before the lock, on which everybody else waits.
    IF cardinality(p_exchanges) > 256 THEN
        RAISE EXCEPTION USING ERRCODE = 'RG021',
            MESSAGE = 'more than 256 exchanges are asked for at once',
            HINT = 'A load without names gives all that the account can use.';
    END IF;
    IF length(p_subaccounts::text) > 65536 OR length(p_master_keys::text) > 65536 THEN
        RAISE EXCEPTION USING ERRCODE = 'RG021',
            MESSAGE = 'more subaccounts or master keys are named than an account can have';
    END IF;
    IF p_access NOT IN ('full', 'read_only', 'positions_only') THEN
        RAISE EXCEPTION USING ERRCODE = 'RG021',
            MESSAGE = 'there is no such access',
            HINT = 'It is full, read_only or positions_only.';
    END IF;
    account := public.session_account(p_account);
    IF account.outcome = 'ok' THEN
        others := (SELECT h.size - h.releases FROM public.audit_head AS h WHERE h.only_row);
        answers := public.decide_releases(p_account, account.account_id, p_exchanges, p_subaccounts,
            p_access, p_lender, host, purpose, p_master_keys);
        -- Who is given nothing delays nobody.
        PERFORM FROM unnest(answers) AS a WHERE a.outcome = 'ok';
        IF FOUND THEN
            head := public.take_turn();
            account := public.session_account(p_account);
            -- What was decided holds unless something else than releases was appended meanwhile.
            IF account.outcome = 'ok' AND others <> head.size - head.releases THEN
                answers := public.decide_releases(p_account, account.account_id, p_exchanges,
                    p_subaccounts, p_access, p_lender, host, purpose, p_master_keys);
            END IF;
        END IF;
    END IF;
    IF account.outcome <> 'ok' THEN
        outcome := account.outcome;
        RETURN NEXT;
        RETURN;
    END IF;
    IF p_subaccounts IS NOT NULL THEN
        SELECT 'not_loaded', s.name, n.names INTO outcome, exchange, choices
        FROM (SELECT array_agg(a.exchange) AS names FROM unnest(answers) AS a) AS n
        CROSS JOIN jsonb_object_keys(p_subaccounts) AS s (name)
        WHERE s.name <> '' AND s.name <> ALL (n.names)
        ORDER BY s.name
        LIMIT 1;
        IF FOUND THEN
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    RETURN QUERY
        SELECT a.exchange, a.outcome, a.release_id, a.event_position, a.source, a.owner_name,
            a.credential_id, a.version, a.subaccount_index, a.permission, a.access, a.sharing_type,
            a.expires_at, a.choices, a.other_users, a.master_key_id
        FROM unnest(public.append_releases(
            head, answers, account.account_id, p_actor, reason, clock_timestamp())) AS a;
END
$$;
ALTER FUNCTION public.request_releases OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.request_releases FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.request_releases TO registry_bot, registry_operator;

-- Between the two steps, and in a transaction of its own: its commit waits until the requests that
-- were committed before are on disk, and on synchronous standbys; and the mark that it sets tells
-- collect_releases so. (It is the record in the WAL that makes the commit wait. The `flush` argument
-- of that function would not wait for standbys, and exists from PostgreSQL 17 on.)
CREATE OR REPLACE FUNCTION public.confirm_releases() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off AS $$
DECLARE
    head_size bigint;
    head_place pg_lsn;
BEGIN
    -- The place is read after the snapshot was taken: all that is seen was committed before it.
    SELECT h.size, pg_current_wal_insert_lsn() INTO head_size, head_place
    FROM public.audit_head AS h
    WHERE h.only_row AND h.appended_by IS DISTINCT FROM pg_current_xact_id_if_assigned();
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'RG021',
            MESSAGE = 'a release is confirmed after the transaction that requested it is committed',
            HINT = 'Commit first: no commit, no secret.';
    END IF;
    -- One mark for a size: an older one lies before this commit, which flushes it.
    INSERT INTO public.log_marks
    SELECT head_size, head_place
    WHERE NOT EXISTS (SELECT FROM public.log_marks AS m WHERE m.size = head_size);
    PERFORM pg_logical_emit_message(TRUE, 'account-registry', '');
    IF current_setting('synchronous_commit') IN ('off', 'local') THEN
        PERFORM set_config('synchronous_commit', 'on', TRUE);
    END IF;
END
$$;
ALTER FUNCTION public.confirm_releases OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.confirm_releases FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.confirm_releases TO registry_bot, registry_operator;

-- Step two: the sealed fields for releases that an earlier transaction committed and that are on
-- disk, once. What was changed, taken away or stopped since is not given.
CREATE OR REPLACE FUNCTION public.collect_releases(p_release_ids uuid[]) RETURNS TABLE (
    release_id uuid, outcome text,
    exchange_id integer, owner_id uuid, subaccount_index integer, permission text, version integer,
    api_key_encrypted text, secret_key_encrypted text, additional_credentials_encrypted jsonb,
    data_key_id uuid, wrapped_key text, master_key_id text
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
-- All is looked up by key. A plan is kept: one that was made while the tables were small
-- would still walk them when they have grown.
SET enable_seqscan = off
-- Compiling such a plan takes a hundred times as long as running it.
SET jit = off AS $$
#variable_conflict use_column
DECLARE
    wanted constant uuid[] := ARRAY(SELECT DISTINCT w.id FROM unnest(p_release_ids) AS w (id));
    events public.audit_events[];
    event public.audit_events;
    known uuid[] := '{}';
    last_position bigint := 0;
    place pg_lsn;
    page_offset numeric;
    is_time_to_clean boolean := FALSE;
    moment constant timestamptz := clock_timestamp();
BEGIN
    IF cardinality(p_release_ids) > 256 THEN
        RAISE EXCEPTION USING ERRCODE = 'RG021',
            MESSAGE = 'more than 256 releases are collected at once';
    ELSIF wanted = '{}' THEN
        RETURN;
    END IF;
    -- The commit of what is seen here lies before this place. It is taken at once: what is read
    -- later may write to the WAL itself (it prunes a page), which nobody hurries to flush.
    SELECT array_agg(e), min(pg_current_wal_insert_lsn()) INTO events, place
    FROM public.audit_events AS e
    WHERE e.event_id = ANY (wanted);
    FOREACH event IN ARRAY coalesce(events, '{}') LOOP
        CONTINUE WHEN event.event_type <> 'CredentialReleased' OR event.recorded_by <> session_user::text;
        known := known || event.event_id;
        -- Not recorded_at, which never goes back: after a clock that was ahead it would stay young.
        IF abs(extract(epoch FROM moment - event.occurred_at)) > 10 THEN
            RAISE EXCEPTION USING ERRCODE = 'RG021',
                MESSAGE = format('the release %s was not collected in time', event.event_id),
                HINT = 'Request it again.';
        END IF;
        last_position := greatest(last_position, event.position);
        is_time_to_clean := is_time_to_clean OR event.position % 64 = 0;
    END LOOP;
    IF cardinality(known) < cardinality(wanted) THEN
        RAISE EXCEPTION USING ERRCODE = 'RG021',
            MESSAGE = format('no release %s was recorded for %s',
                (SELECT w.id FROM unnest(wanted) AS w (id) WHERE w.id <> ALL (known) LIMIT 1), session_user);
    END IF;
    -- An older snapshot would not see what has been revoked since: it is refused (40001) if
    -- anything was appended since it was taken.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        PERFORM public.take_turn();
    END IF;
    -- A transaction that has appended holds the head's lock: it is the last that did.
    IF EXISTS (SELECT FROM public.audit_head AS h
               WHERE h.only_row AND h.appended_by = pg_current_xact_id_if_assigned()) THEN
        RAISE EXCEPTION USING ERRCODE = 'RG021',
            MESSAGE = 'a release is collected after the transaction that requested it is committed',
            HINT = 'Commit first: no commit, no secret.';
    END IF;
    WITH collected AS (
        INSERT INTO public.release_collections AS c
        SELECT w.id, moment FROM unnest(wanted) AS w (id)
        ON CONFLICT DO NOTHING
        RETURNING c.release_id)
    SELECT coalesce(array_agg(c.release_id), '{}') INTO known FROM collected AS c;
    IF cardinality(known) < cardinality(wanted) THEN
        RAISE EXCEPTION USING ERRCODE = 'RG021',
            MESSAGE = format('the release %s was collected already',
                (SELECT w.id FROM unnest(wanted) AS w (id) WHERE w.id <> ALL (known) LIMIT 1)),
            HINT = 'Request it again.';
    END IF;
    IF NOT EXISTS (SELECT FROM public.log_marks AS m
                   WHERE m.size > last_position AND m.place <= pg_current_wal_flush_lsn()) THEN
        -- Nobody has confirmed them. On an empty page the insert position stands behind its header,
        -- which nobody flushes. (Behind more than a header a record ends: perhaps their commit.)
        page_offset := (place - '0/0'::pg_lsn) % current_setting('wal_block_size')::numeric;
        place := place - CASE WHEN page_offset = 24 THEN page_offset ELSE 0 END;
        IF pg_current_wal_flush_lsn() < place THEN
            IF current_setting('server_version_num')::integer < 170000
                OR current_setting('synchronous_standby_names') <> '' THEN
                INSERT INTO public.log_marks
                SELECT last_position + 1, place
                WHERE NOT EXISTS (SELECT FROM public.log_marks AS m WHERE m.size = last_position + 1);
                DELETE FROM public.release_collections AS c WHERE c.release_id = ANY (wanted);
                outcome := 'not_durable';
                FOREACH release_id IN ARRAY wanted LOOP
                    RETURN NEXT;
                END LOOP;
                RETURN;
            END IF;
            EXECUTE $flush$ SELECT pg_logical_emit_message(FALSE, 'account-registry', '', TRUE) $flush$;
        END IF;
    END IF;
    RETURN QUERY
        SELECT e.event_id, coalesce(f.outcome, 'changed'), f.exchange_id, f.account_id,
            f.subaccount_index, f.permission, f.version, f.api_key_encrypted, f.secret_key_encrypted,
            f.additional_credentials_encrypted, f.id, f.wrapped_key, f.master_key_id
        FROM unnest(events) AS e
        -- For each its rows by key. As a join it would be planned by how large the tables were.
        LEFT JOIN LATERAL (
            SELECT 'ok' AS outcome, c.exchange_id, c.account_id, c.subaccount_index,
                c.permission::text, c.version, c.api_key_encrypted, c.secret_key_encrypted,
                c.additional_credentials_encrypted, k.id, k.wrapped_key, k.master_key_id
            FROM public.account_exchange_credentials AS c
            JOIN public.accounts AS o ON o.id = c.account_id AND o.is_active
            JOIN public.accounts AS b ON b.id = e.stream_id AND b.is_active
            JOIN public.credential_data_keys AS k ON k.id = c.data_key_id
            WHERE c.id = (e.data ->> 'credential_id')::uuid
                AND c.version = (e.data ->> 'credential_version')::integer AND c.is_active
                -- What a function would say, and a query of its own would find, is often clear at once.
                AND (EXISTS (
                        SELECT FROM public.account_access AS a
                        WHERE a.account_id = b.id AND a.role_name = session_user)
                    OR public.session_may_use(b.id))
                AND (NOT b.metadata ? 'allowed_exchanges' OR public.account_allows(b.id, c.exchange_id))
                AND (NOT o.metadata ? 'allowed_exchanges' OR public.account_allows(o.id, c.exchange_id))
                AND public.stop_of(
                    b.id, c.exchange_id, o.id, c.subaccount_index, c.permission) IS NULL
                AND (e.data ->> 'share_id' IS NULL OR EXISTS (
                    SELECT FROM public.account_exchange_sharing AS s
                    WHERE s.id = (e.data ->> 'share_id')::uuid
                        AND s.sharing_type = e.data ->> 'sharing_type'))
            LIMIT 1) AS f ON TRUE;
    IF is_time_to_clean THEN
        -- Now and then, some of those go that are too old. Whoever holds one makes nobody wait.
        DELETE FROM public.release_collections AS c
        WHERE c.release_id = ANY (ARRAY(
            SELECT o.release_id FROM public.release_collections AS o
            WHERE o.asked_at < moment - interval '1 minute'
            LIMIT 1000 FOR UPDATE SKIP LOCKED));
        DELETE FROM public.log_marks AS m
        WHERE m.ctid = ANY (ARRAY(
            SELECT o.ctid FROM public.log_marks AS o
            WHERE o.size < last_position - 16384
            LIMIT 1000 FOR UPDATE SKIP LOCKED));
    END IF;
END
$$;
ALTER FUNCTION public.collect_releases OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.collect_releases FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.collect_releases TO registry_bot, registry_operator;

-- The definition of an exchange that a user added: its fields and variables, no secret. (In
-- PL/pgSQL, which keeps the plan; a query in an SQL function is planned again and again.)
CREATE OR REPLACE FUNCTION public.exchange_definition(p_exchange text) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        SELECT e.data FROM public.audit_events AS e
        WHERE e.stream_type = 'exchange' AND e.data ->> 'exchange' = p_exchange
        ORDER BY e.position DESC LIMIT 1);
END
$$;
ALTER FUNCTION public.exchange_definition OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.exchange_definition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.exchange_definition TO registry_bot, registry_operator;
