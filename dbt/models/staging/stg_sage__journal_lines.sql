{{ sage_accounting.stage('journal_lines', [
    ['journal_id', 'journal_id', 'text'],
    ['line_id', 'id', 'text'],
    ['ledger_account_id', 'ledger_account.id', 'text'],
    ['ledger_account_name', 'ledger_account.displayed_as', 'text'],
    ['details', 'details', 'text'],
    ['debit', 'debit', 'amount'],
    ['credit', 'credit', 'amount']
], 'line', ['journal_id']) }}
