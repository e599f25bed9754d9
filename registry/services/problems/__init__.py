"""What is wrong, or soon will be: one list, each problem with what to do.

House rules: `doctor`, the metrics, the alerts and every view show this list and look for nothing
themselves. A kind of problem is declared once, in `kinds`. Finding it is SQL in `problems.sql`,
or a query that another package has. A login of an auditor is enough, and no problem can hold a
secret: values of credentials are not read.
"""
