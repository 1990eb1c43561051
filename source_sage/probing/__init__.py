"""What a live Sage shows of what nobody has written down.

Knows single requests and what their answers prove; must not know of syncs, streams of records or state.
"""
