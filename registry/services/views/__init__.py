"""The views: what people look at to see all accounts at once.

House rules: a view is described once (`described`): its columns, its states, its filters. A face,
such as the page or a terminal, derives its tables from that. Every query is filtered and paged in
SQL, reads what an auditor may read, and selects no token. `words` says each value in words.
"""
