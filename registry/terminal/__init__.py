"""The screen of `monitor`: the views in a terminal (needs the extra `monitor`).

House rules: one widget a file. The read model says columns, states and words; a widget only lays
them out. What is to be shown is text and never markup. Reads run in a thread of their own, one
at a time, so that no key waits for the database.
"""
