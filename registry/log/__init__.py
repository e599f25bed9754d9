"""Reading and appending events.

House rules: nothing here knows the meaning of an event, except for the data keys that a
verification reads from credential events. Commands append through the SQL function
`append_event`. An adoption, which has very many events, copies them in under the same lock.
"""
