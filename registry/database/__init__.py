"""Where the database is, how to reach it, and how its schema comes about.

House rules: nothing here knows what an account is. SQL longer than a line lives in
`.sql` files: one statement per `-- name:` heading.
"""
