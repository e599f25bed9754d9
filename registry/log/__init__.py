"""Reading and appending events.

House rules: nothing here knows what an event means, but for the data keys that a verification
looks for in credentials' events. Commands append through the SQL function `append_event`; an
adoption, which brings very many events at once, copies them in under the same lock.
"""
