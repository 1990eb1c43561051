-- Of each business and side (receivables, payables): the control account, and whether the documents and allocations are
-- here from their beginning. What is not provable says why; nothing is taken for proven.
{%- set needed = {
    'receivables': ['sales_invoices', 'sales_credit_notes', 'sales_quick_entries', 'contact_payments',
        'payment_allocations', 'contact_opening_balances', 'ledger_entries'],
    'payables': ['purchase_invoices', 'purchase_credit_notes', 'purchase_quick_entries', 'contact_payments',
        'payment_allocations', 'contact_opening_balances', 'ledger_entries']
} %}
with sides as (
    {%- for side, streams in needed.items() %}
    {%- set missing = sage_accounting.streams_missing(streams) %}
    select
        business_id,
        '{{ side }}' as side,
        {% if missing %}'not selected: {{ missing | join(", ") }}'{% else %}cast(null as {{ sage_accounting.type_text() }}){% endif %}
            as not_selected
    from {{ ref('int_sage__businesses') }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

changes as (
    select business_id, side, cast(max(updated_at) as date) as last_change
    from {{ ref('int_sage__open_items') }}
    group by business_id, side
),

judged as (
    select
        sides.business_id,
        sides.side,
        controls.ledger_account_id,
        case
            when sides.not_selected is not null then sides.not_selected
            when not businesses.has_trial_balance then 'no trial_balance: nobody knows what was before the first entry'
            -- On any account: what is open of customers may add up to nothing.
            when businesses.has_openings
                then 'documents before the Start Date are not here: Include Historical Data'
        end as why_not,
        case when changes.last_change > businesses.closes_on then 'documents changed after the End Date' end as why_not_now
    from sides
    inner join {{ ref('int_sage__businesses') }} as businesses on sides.business_id = businesses.business_id
    left join {{ ref('int_sage__control_accounts') }} as controls
        on sides.business_id = controls.business_id and sides.side = controls.side
    left join changes on sides.business_id = changes.business_id and sides.side = changes.side
)

select
    business_id,
    side,
    ledger_account_id,
    case when why_not is null then true else false end as is_complete,
    why_not as why_incomplete,
    -- Amounts outstanding are Sage's of now: comparable only if the ledger goes on until now.
    coalesce(why_not, why_not_now) as why_not_comparable_now
from judged
