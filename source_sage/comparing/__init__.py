"""Whether a warehouse holds what Sage holds.

Knows counts, sums and rows on both sides; must not know of syncs, streams of records or state.
"""
