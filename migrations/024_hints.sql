-- Hints name commands that can be typed as they stand, and change one key of the metadata only.
DO $hints$
DECLARE
    change record;
BEGIN
    FOR change IN
        SELECT *
        FROM (VALUES
            ('public.position_limits()', 'link-positions''', 'link-positions ACCOUNT --position ID'''),
            ('public.position_limits()', 'grant-access''', 'grant-access ACCOUNT --role ROLE'''),
            ('public.position_limits()', '(most_positions\),\s+HINT = )''[^'']+''',
                '\1format(''Close one, or change the limit with: account-registry '
                'update-account %s --set max_positions=NUMBER'', account.account_name)'),
            ('public.position_limits()', '(most_exposure\),\s+HINT = )''[^'']+''',
                '\1format(''Close one, or change the limit with: account-registry '
                'update-account %s --set max_exposure_usd=NUMBER'', account.account_name)'),
            ('public.account_limit(jsonb,text)', 'HINT = ''[^'']+''',
                'HINT = format(''Correct it with: account-registry '
                'update-account ACCOUNT --set %s=NUMBER'', p_name)'),
            ('public.require_allowed(uuid,integer)', '--set''',
                '--set allowed_exchanges=LIST''')
        ) AS c (function, said, says)
    LOOP
        EXECUTE regexp_replace(
            pg_get_functiondef(change.function::regprocedure), change.said, change.says);
    END LOOP;
END
$hints$;
