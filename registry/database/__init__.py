"""The database: its location, its connections and its migrations.

House rules: nothing here knows what an account is. SQL longer than a line lives in
`.sql` files: one statement per `-- name:` heading.
"""
