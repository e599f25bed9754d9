-- Waiting for messages of the database's triggers. They are empty: whoever wakes looks for itself.

-- name: log
LISTEN account_registry_events

-- name: changes
LISTEN account_registry_changes
