{{ sage_accounting.stage('journals', [
    ['journal_id', 'id', 'text'],
    ['journal_number', 'displayed_as', 'text'],
    ['journal_date', 'date', 'date'],
    ['description', 'description', 'text'],
    ['transaction_id', 'transaction.id', 'text'],
    ['total_amount', 'total', 'amount']
], 'row') }}
