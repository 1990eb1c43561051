{{ sage_accounting.stage('payment_allocations', [
    ['parent_stream', 'parent_stream', 'text'],
    ['parent_id', 'parent_id', 'text'],
    ['allocation_id', 'id', 'text'],
    ['allocation_date', 'date', 'date'],
    ['artefact_id', 'artefact.id', 'text'],
    ['amount', 'amount', 'amount'],
    ['discount', 'discount', 'amount']
], 'line', ['parent_stream', 'parent_id']) }}
