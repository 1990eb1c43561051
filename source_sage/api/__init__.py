"""The API: one request until an answer settles it, at the right pace, and what a business may be asked for.

Knows answers, limits, pages and rights; must not know of slices, rows or state, nor who wants to know.
"""
