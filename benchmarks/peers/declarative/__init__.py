"""A plain declarative source of the same lists."""
