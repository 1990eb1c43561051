{{ sage_accounting.stage('bank_accounts', [
    ['bank_account_id', 'id', 'text'],
    ['bank_account_name', 'displayed_as', 'text'],
    ['ledger_account_id', 'ledger_account.id', 'text'],
    ['bank_account_type_id', 'bank_account_type.id', 'text'],
    ['currency_id', 'currency.id', 'text'],
    ['balance', 'balance', 'amount']
], 'row') }}
