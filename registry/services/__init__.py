"""What can be asked of the registry. Here reading, deciding and writing come together.

House rules: a service takes values and gives values; it never prints, asks or exits. A
change is one `Task` for the executor; what is only read needs nothing but SQL.

The packages, each of which may use those below it (an import contract keeps it so):

- `backups`    the restore drill: whether a backup brings everything back
- `alerts`     who is told of problems and events
- `metrics`    the registry as figures for Prometheus
- `views`      all accounts at once, for people: paged and filtered
- `supervising`: a program is started again when what it was given changes
- `problems`   what is wrong, or soon will be, and what to do about it
- `audit`      what happened, who could use what; verification, checkpoints, proofs
- `schema`     migrating up and down, and the rehearsal of both
- `adoption`   tables that a bot wrote itself become the registry's
- `releases`   secrets that leave: which credential, why, to whom, and how they get there
- `importing`  credentials from env files and from configurations of other programs
- `changes`    changes of accounts, credentials, keys and sharing, one command each
- `feed`       the log as it grows, for whoever follows it
- `reading`    what is only read: accounts now or as of a moment, history, exposure

Beside them, `doctor` also looks at how the registry is set up. What changes stand on is
`registry.execution`, and the tables are made again by `registry.rebuild`.
"""
