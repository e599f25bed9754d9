-- Sessions that block appends to the log.

-- name: log_holders
SELECT h.pid, h.role, h.application, h.client, h.state, h.started, h.since
FROM public.log_holders() AS h
WHERE coalesce(h.since < clock_timestamp() - %(patience)s, TRUE)
ORDER BY h.since

-- name: end_log_holder
SELECT public.end_log_holder(%(pid)s, %(started)s)
