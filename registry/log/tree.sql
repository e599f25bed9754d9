-- Reading the log's Merkle tree.

-- name: head
SELECT h.size, h.peaks FROM public.audit_head AS h

-- name: nodes
SELECT t.position, t.leaf_hash, t.subtree_roots
FROM public.audit_trail AS t
WHERE t.position = ANY (%(positions)s)
