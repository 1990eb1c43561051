"""The sign-in: how a person's consent becomes tokens, and how these stay alive and are kept.

Knows the token service and the files that hold tokens; must not know of businesses, lists or rows.
"""
