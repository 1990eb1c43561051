-- No posting is lost between the days and the months; each month opens as the one before it closed.
with months as (
    select business_id, ledger_account_id, month, sum(debit) as debit, sum(credit) as credit
    from {{ ref('general_ledger') }}
    where {{ sage_accounting.wanted('month') }} or month is null
    group by business_id, ledger_account_id, month
),

periods as (
    select
        periods.*,
        lag(closing) over (partition by business_id, ledger_account_id order by month) as closing_before
    from {{ ref('general_ledger_by_period') }} as periods
)

select business_id, ledger_account_id, month, 'movement' as what
from (
    select business_id, ledger_account_id, month, debit, credit from months
    union all
    select business_id, ledger_account_id, month, -debit, -credit from periods
) as both_sides
group by business_id, ledger_account_id, month
having round(sum(debit), 2) <> 0 or round(sum(credit), 2) <> 0
union all
select business_id, ledger_account_id, month, 'chain'
from periods
where {{ sage_accounting.differs('closing', 'opening + debit - credit') }}
    or (closing_before is not null and {{ sage_accounting.differs('opening', 'closing_before') }})
