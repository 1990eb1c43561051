-- The control account's balance, and what Sage says is open of each document, payment and opening balance.
{{ sage_accounting.may_be_unprovable() }}
{{ sage_accounting.control_equals_open_items('payables', '-1') }}
