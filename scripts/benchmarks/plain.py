"""The usual alternative to a log: plain tables, and a trigger that keeps old rows."""

from typing import Final

MAKE: Final = """
DROP TABLE IF EXISTS plain_accounts, plain_audit CASCADE;
DROP FUNCTION IF EXISTS plain_keep CASCADE;
CREATE TABLE plain_accounts (LIKE public.accounts INCLUDING ALL);
CREATE TABLE plain_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account_id uuid NOT NULL,
    changed_at timestamptz NOT NULL, changed_by text NOT NULL, old_row jsonb, new_row jsonb);
CREATE INDEX ON plain_audit (account_id, id);
CREATE FUNCTION plain_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO plain_audit (account_id, changed_at, changed_by, old_row, new_row)
    VALUES (new.id, clock_timestamp(), session_user, to_jsonb(old), to_jsonb(new));
    RETURN NULL;
END $$;
CREATE TRIGGER plain_audited AFTER INSERT OR UPDATE OR DELETE ON plain_accounts
    FOR EACH ROW EXECUTE FUNCTION plain_keep();
"""
