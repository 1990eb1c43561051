"""One list of one business: its pages and slices, the proof that they are whole, its rows, lines and checkpoints.

Knows what to ask for next and what leaves; must not know of other lists, of messages, or of how a run ends.
"""
