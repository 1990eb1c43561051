{{ sage_accounting.stage('tax_rates', [
    ['tax_rate_id', 'id', 'text'],
    ['tax_rate_name', 'name', 'text'],
    ['percentage', 'percentage', 'amount']
], 'whole') }}
