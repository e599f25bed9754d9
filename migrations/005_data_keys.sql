-- Keys that the master key wraps. They are not part of the log: deleting one makes
-- a secret unreadable for ever while the log still verifies (crypto-shredding).

-- One random data key for each version of a credential.
CREATE TABLE IF NOT EXISTS public.credential_data_keys (
    id UUID PRIMARY KEY,
    credential_id UUID NOT NULL,
    credential_version INTEGER NOT NULL CHECK (credential_version > 0),
    wrapped_key TEXT NOT NULL,
    -- Which master key wraps it (a short digest, not the key).
    master_key_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (credential_id, credential_version)
);

CREATE INDEX IF NOT EXISTS credential_data_keys_master_key
    ON public.credential_data_keys (master_key_id);

-- Keys of the registry as a whole; `fingerprint` keys the digests by which two
-- values can be compared without being known.
CREATE TABLE IF NOT EXISTS public.registry_keys (
    purpose TEXT PRIMARY KEY CHECK (purpose IN ('fingerprint')),
    wrapped_key TEXT NOT NULL,
    master_key_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

ALTER TABLE public.credential_data_keys OWNER TO registry_owner;
ALTER TABLE public.registry_keys OWNER TO registry_owner;
REVOKE ALL ON public.credential_data_keys, public.registry_keys FROM PUBLIC;
GRANT SELECT, INSERT ON public.credential_data_keys, public.registry_keys TO registry_operator;
-- An auditor sees that a data key exists and which master key wraps it, not the key.
GRANT SELECT (id, credential_id, credential_version, master_key_id, created_at)
    ON public.credential_data_keys TO registry_auditor;
GRANT SELECT (purpose, master_key_id, created_at) ON public.registry_keys TO registry_auditor;
