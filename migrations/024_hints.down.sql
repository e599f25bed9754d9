DO $hints$
DECLARE
    change record;
BEGIN
    FOR change IN
        SELECT *
        FROM (VALUES
            ('public.position_limits()', ' ACCOUNT --position ID', ''),
            ('public.position_limits()', ' ACCOUNT --role ROLE', ''),
            ('public.position_limits()', 'format\((''Close one[^%]+)%s --set [^)]+\)', '\1--metadata'''),
            ('public.account_limit(jsonb,text)', 'HINT = format[^;]+', 'HINT = ''Correct it with: '
                'account-registry update-account --metadata'''),
            ('public.require_allowed(uuid,integer)', '--set allowed_exchanges=LIST', '--set')
        ) AS c (function, said, says)
        WHERE to_regprocedure(c.function) IS NOT NULL
    LOOP
        EXECUTE regexp_replace(
            pg_get_functiondef(change.function::regprocedure), change.said, change.says, 'g');
    END LOOP;
END
$hints$;
