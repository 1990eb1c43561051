{{ sage_accounting.stage('transactions', [
    ['transaction_id', 'id', 'text'],
    ['transaction_date', 'date', 'date'],
    ['transaction_type_id', 'transaction_type.id', 'text'],
    ['reference', 'reference', 'text'],
    ['origin_id', 'origin.id', 'text'],
    ['audit_trail_id', 'audit_trail_id', 'integer']
], 'entry') }}
