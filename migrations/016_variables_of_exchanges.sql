-- A definition of an exchange names variables, in which programs get credentials. It must not choose
-- what a program loads: the form decides, which registry/catalog/variables.py has too.
CREATE OR REPLACE FUNCTION public.can_carry_a_credential(p_exchange text, p_variable text)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(length(p_variable) <= 100
        AND p_variable COLLATE "C" ~ ('^(?:'
            '(?!(ACCOUNT|ANSIBLE|APT|AWS|AZURE|BASH|BUN|CARGO|COMPOSER|CONDA|CREDENTIAL|CURL|DATABASE|DBUS'
            '|DENO|DJANGO|DOCKER|DOTENV|DYLD|FLASK|GCONV|GEM|GIT|GITHUB|GITLAB|GLIBC|GOOGLE|GPG|HTTP|HTTPS'
            '|JAVA|JDK|KUBERNETES|LANG|LESS|LIBPQ|LOCALE|MALLOC|MYSQL|NODE|NPM|OPENSSL|PERL|PIP|PIPENV'
            '|PIPX|PNPM|POETRY|POSTGRES|PYTEST|PYTHON|REDIS|REGISTRY|REQUESTS|RUBY|RUST|RUSTUP|SSH|SSL'
            '|SUDO|SYSTEMD|TWINE|VAULT|VIRTUAL|VIRTUALENV|WATCHDOG|XDG|YARN)_)'
            '[A-Z][A-Z0-9]{2,}_([A-Z0-9]+_)*'
            '(KEY|SECRET|TOKEN|PASSPHRASE|PASSWORD|PASS|PIN|MNEMONIC|SEED|LOGIN|USER|UID|ID|ACCOUNT'
            '|WALLET|ADDRESS|(SUB)?ACCOUNT_INDEX|KEY_INDEX|ENVIRONMENT|TESTNET|VENUE|NOTE|LABEL'
            '|(BASE|API|REST|WS)_URL)'
            ')$')
        -- The first word of the exchange's name, or all of it.
        AND (
            starts_with(p_variable,
                upper(substring(p_exchange COLLATE "C" FROM '[A-Za-z][A-Za-z0-9]*')) || '_')
            OR starts_with(p_variable,
                upper(regexp_replace(p_exchange COLLATE "C", '^[^A-Za-z]+|[^A-Za-z0-9]+', '', 'g')) || '_')
        ), FALSE)
$$;
ALTER FUNCTION public.can_carry_a_credential OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.can_carry_a_credential FROM PUBLIC;

-- Definitions from before stay in the log; programs pass nothing in such a variable.
CREATE OR REPLACE FUNCTION public.exchange_variables_check() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM json_array_elements(NEW.data -> 'fields') AS f
        WHERE NOT public.can_carry_a_credential(NEW.data ->> 'exchange', f ->> 'env'))
    THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation',
            MESSAGE = 'an exchange''s credential cannot be passed in a variable of such a name';
    END IF;
    RETURN NEW;
END
$$;
ALTER FUNCTION public.exchange_variables_check OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.exchange_variables_check FROM PUBLIC;

CREATE OR REPLACE TRIGGER audit_events_exchange_variables
    BEFORE INSERT ON public.audit_events
    FOR EACH ROW WHEN (NEW.event_type = 'ExchangeAdded')
    EXECUTE FUNCTION public.exchange_variables_check();
