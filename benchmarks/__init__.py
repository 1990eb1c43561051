"""`make bench`: this source beside its peers, on the same machine, in one go. See docs/performance.md."""
