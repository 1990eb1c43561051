"""The addresses that are served, and what one running sandbox knows. Knows the other rooms."""
