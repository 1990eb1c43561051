"""How Sage behaves, badly above all: limits, faults, what was asked. Knows requests, and no address."""
