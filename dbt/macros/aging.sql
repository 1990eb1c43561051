{%- macro aging(side) -%}
with open_items as (
    select
        months.business_id,
        months.month_end as as_of,
        months.month,
        balances.item_id,
        balances.item_type,
        balances.item_number,
        balances.contact_id,
        balances.item_date,
        balances.due_date,
        balances.currency_id,
        balances.outstanding,
        balances.base_outstanding,
        {{ dbt.datediff('balances.due_date', 'months.month_end', 'day') }} as days_overdue
    from {{ ref('int_sage__months') }} as months
    inner join {{ ref('int_sage__item_balances') }} as balances
        on months.business_id = balances.business_id
        and balances.from_date <= months.month_end
        and (balances.to_date is null or balances.to_date > months.month_end)
    where balances.side = '{{ side }}'
        and (balances.outstanding <> 0 or balances.base_outstanding <> 0)
        and {{ sage_accounting.wanted('months.month') }}
)

select
    open_items.business_id,
    open_items.as_of,
    open_items.item_id,
    open_items.month,
    open_items.item_type,
    open_items.item_number,
    coalesce(open_items.contact_id, 'none') as contact_id,
    contacts.contact_name,
    open_items.item_date,
    open_items.due_date,
    open_items.currency_id,
    open_items.outstanding,
    open_items.base_outstanding,
    case when open_items.days_overdue > 0 then open_items.days_overdue else 0 end as days_overdue,
    case
        when open_items.days_overdue <= 0 then 'not due'
        when open_items.days_overdue <= 30 then '1-30 days'
        when open_items.days_overdue <= 60 then '31-60 days'
        when open_items.days_overdue <= 90 then '61-90 days'
        else 'over 90 days'
    end as age,
    sides.is_complete,
    sides.why_incomplete
from open_items
inner join {{ ref('int_sage__sides') }} as sides
    on open_items.business_id = sides.business_id and sides.side = '{{ side }}'
left join {{ ref('dim_contact') }} as contacts
    on open_items.business_id = contacts.business_id and open_items.contact_id = contacts.contact_id
{%- endmacro -%}
