-- At the end of every month: the items that were open then, and the control account's closing balance.
{{ sage_accounting.may_be_unprovable() }}
{{ sage_accounting.aging_equals_control('ap_aging', 'payables', '-1') }}
