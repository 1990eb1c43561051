"""What a business has, and how it changes: lists whose ledger balances. Knows the wire, and no request."""
