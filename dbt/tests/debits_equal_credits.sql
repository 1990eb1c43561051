-- In each transaction of the ledger.
select business_id, transaction_id, sum(debit) as expected, sum(credit) as found
from {{ ref('general_ledger') }}
group by business_id, transaction_id
having round(sum(amount), 2) <> 0
