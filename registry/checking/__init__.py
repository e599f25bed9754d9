"""Checks with an exchange whether a key is what the registry says.

`findings`, `answers` and `probes` are pure: what can be found, how answers are read, and what each
exchange is asked. `asking` talks to exchanges, with reads only. `checks` does the whole job.
"""
