{%- macro control_equals_open_items(side, sign) -%}
with owed as (
    select
        items.business_id,
        sum(items.sign * coalesce(items.sage_base_outstanding, now.base_outstanding * items.sign, 0)) as amount
    from {{ ref('int_sage__open_items') }} as items
    left join {{ ref('int_sage__item_balances') }} as now
        on items.business_id = now.business_id and items.item_id = now.item_id and now.to_date is null
    where items.side = '{{ side }}'
    group by items.business_id
),

balances as (
    select controls.business_id, {{ sign }} * (sum(ledger.amount) + coalesce(max(openings.amount), 0)) as amount
    from {{ ref('int_sage__control_accounts') }} as controls
    inner join {{ ref('general_ledger') }} as ledger
        on controls.business_id = ledger.business_id and controls.ledger_account_id = ledger.ledger_account_id
    left join {{ ref('int_sage__openings') }} as openings
        on controls.business_id = openings.business_id and controls.ledger_account_id = openings.ledger_account_id
    where controls.side = '{{ side }}'
    group by controls.business_id
)

select
    sides.business_id,
    case when sides.why_not_comparable_now is null then 'differs' else 'not checked' end as verdict,
    coalesce(sides.why_not_comparable_now, 'control account') as what,
    balances.amount as expected,
    owed.amount as found
from {{ ref('int_sage__sides') }} as sides
left join owed on sides.business_id = owed.business_id
left join balances on sides.business_id = balances.business_id
where sides.side = '{{ side }}'
    and (sides.why_not_comparable_now is not null or {{ sage_accounting.differs('balances.amount', 'owed.amount') }})
{%- endmacro -%}

{%- macro aging_equals_control(model, side, sign) -%}
with aged as (
    select business_id, month, sum(base_outstanding) as amount
    from {{ ref(model) }}
    group by business_id, month
),

compared as (
    select
        sides.business_id,
        months.month,
        {{ sign }} * coalesce(periods.closing, 0) as expected,
        coalesce(aged.amount, 0) as found
    from {{ ref('int_sage__sides') }} as sides
    inner join {{ ref('int_sage__months') }} as months
        on sides.business_id = months.business_id and {{ sage_accounting.wanted('months.month') }}
    left join {{ ref('general_ledger_by_period') }} as periods
        on sides.business_id = periods.business_id
        and sides.ledger_account_id = periods.ledger_account_id
        and months.month = periods.month
    left join aged on sides.business_id = aged.business_id and months.month = aged.month
    where sides.side = '{{ side }}' and sides.is_complete
)

select business_id, 'differs' as verdict, 'control account' as what, month, expected, found
from compared
where {{ sage_accounting.differs('expected', 'found') }}
union all
select business_id, 'not checked', why_incomplete, null, null, null
from {{ ref('int_sage__sides') }}
where side = '{{ side }}' and not is_complete
{%- endmacro -%}
