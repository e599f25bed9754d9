-- The functions that ask stop_of are of former migrations, and go with those. The stops stay, in the
-- log, and are in force again when the schema is up.
DROP FUNCTION IF EXISTS public.stop_of(uuid, integer, uuid, integer, text);
DROP FUNCTION IF EXISTS public.stop_includes(jsonb, uuid, integer, uuid, integer, text);
DROP VIEW IF EXISTS public.stops_in_force;
