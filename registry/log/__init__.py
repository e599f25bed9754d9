"""Reading and appending events.

House rules: nothing here knows what an event means. Appending goes through the SQL
function `append_event` and through nothing else.
"""
