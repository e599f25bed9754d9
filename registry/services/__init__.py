"""What can be asked of the registry. Here reading, deciding and writing come together.

House rules: a service takes values and gives values; it never prints, asks or exits. A
change is one `Task` for the executor; what is only read needs nothing but SQL.
"""
