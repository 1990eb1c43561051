{{ sage_accounting.stage('financial_settings', [
    ['year_end_date', 'year_end_date', 'date'],
    ['accounts_start_date', 'accounts_start_date', 'date'],
    ['base_currency_id', 'base_currency.id', 'text'],
    ['accounting_type', 'accounting_type', 'text']
], 'whole') }}
