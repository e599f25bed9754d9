-- Reading the log's Merkle tree.

-- name: head
SELECT h.size, h.peaks FROM public.audit_head AS h

-- name: newest
SELECT e.position, e.recorded_at FROM public.audit_events AS e ORDER BY e.position DESC LIMIT 1

-- name: set_head
INSERT INTO public.audit_head AS h (only_row, size, peaks, appended_at)
VALUES (TRUE, %(size)s, %(peaks)s::bytea[], %(appended_at)s)
ON CONFLICT (only_row) DO UPDATE
SET size = excluded.size, peaks = excluded.peaks, appended_at = excluded.appended_at

-- name: nodes
SELECT t.position, t.leaf_hash, t.subtree_roots
FROM public.audit_trail AS t
WHERE t.position = ANY (%(positions)s)
