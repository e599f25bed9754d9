-- Run only by `migrate down --purge`: without these keys no credential can be read again.
DROP TABLE IF EXISTS public.credential_data_keys;
DROP TABLE IF EXISTS public.registry_keys;
