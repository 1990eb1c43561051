"""How Sage's answers look: names, values, errors. Knows no business and no request."""
