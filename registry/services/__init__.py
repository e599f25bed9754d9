"""What can be asked of the registry. Here reading, deciding and writing come together.

House rules: a service takes values and gives values; it never prints, asks or exits. A
change is one `Task` for the executor; what is only read needs nothing but SQL.

The modules, by what they are for (a module beside another of the same first word is a part
of it):

- every command: `executor`, `account_tasks`, `vault` (seals), `lookup` (names to ids)
- accounts, credentials, sharing: `accounts`, `credentials`, `destruction`, `sharing`,
  `lending`, `access`, `exchanges`, `positions`
- secrets that leave: `resolution` (which one, and why), `releases`, `fallback`,
  `launching`, `program_environment`, `one_process` (warns of a second one)
- what comes from elsewhere: `importing…`, `storing_several`, `adoption…`
- what is only read: `reading`, `as_of`, `history`, `moments`, `reach`, `health`
- tables and schema: `rebuild…`, `rollback`, `schema`, `rehearsal`
- proof: `verification`, `verify_worker`, `drift`, `unnamed_keys`, `checkpoints`,
  `checkpoint_store`, `proving`
- keys and backups: `rotation`, `drill`, `table_comparison`, `schema_comparison`
"""
