{{ sage_accounting.stage('other_payment_lines', [
    ['other_payment_id', 'other_payment_id', 'text'],
    ['line_id', 'id', 'text'],
    ['details', 'details', 'text'],
    ['ledger_account_id', 'ledger_account.id', 'text'],
    ['ledger_account_name', 'ledger_account.displayed_as', 'text'],
    ['tax_rate_id', 'tax_rate.id', 'text'],
    ['net_amount', 'net_amount', 'amount'],
    ['tax_amount', 'tax_amount', 'amount'],
    ['total_amount', 'total_amount', 'amount']
], 'line', ['other_payment_id']) }}
