"""One run: which lists are read when, the messages in their order, and the report.

Knows streams, statuses and states; must not know what a page, a token or a limit is.
"""
