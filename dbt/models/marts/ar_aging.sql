-- What customers owe, as of the last day of each month: one row an item that was open then. Credit notes and payments on account
-- are negative. Followed through allocations; `is_complete` says whether these are here from their beginning.
{{ sage_accounting.aging('receivables') }}
