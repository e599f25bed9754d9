"""The feed: durable events of the log in order, none missed, for everything that follows the log.

House rules: one hub for each process and database reads for all consumers (`registry.database.
listening`). It never waits for a consumer: whoever is slow has a full queue, and is read for again
when the queue is empty. A consumer knows its place by position *and* leaf hash. Where another leaf
is at that position, the log is another one, and that is an error and never a gap.
"""
