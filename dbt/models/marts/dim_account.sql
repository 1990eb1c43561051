-- Every ledger account, and where it stands in the statements. An account that the ledger or a line names and the list of
-- accounts does not (Sage does not tell of deleted ones) is here too, without a place.
with named as (
    select business_id, ledger_account_id, max(ledger_account_name) as displayed_as, max(in_ledger) as in_ledger
    from (
        {%- for stream in ['ledger_entries', 'trial_balance', 'sales_invoice_lines', 'sales_credit_note_lines',
            'sales_quick_entries', 'purchase_invoice_lines', 'purchase_credit_note_lines', 'purchase_quick_entries'] %}
        select
            business_id, ledger_account_id, ledger_account_name,
            {{ 1 if stream in ('ledger_entries', 'trial_balance') else 0 }} as in_ledger
        from {{ ref('stg_sage__' ~ stream) }}
        {{ "union all" if not loop.last }}
        {%- endfor %}
    ) as mentioned
    where ledger_account_id is not null
    group by business_id, ledger_account_id
),

bank_ledger_accounts as (
    select distinct business_id, ledger_account_id
    from {{ ref('stg_sage__bank_accounts') }}
    where ledger_account_id is not null
),

accounts as (
    select
        business_id, ledger_account_id, account_name, displayed_as, nominal_code, ledger_account_type_id,
        ledger_account_classification_id, control_name, is_control_account, true as is_listed
    from {{ ref('stg_sage__ledger_accounts') }}
    union all
    select
        named.business_id,
        named.ledger_account_id,
        named.displayed_as,
        named.displayed_as,
        cast(null as {{ dbt.type_bigint() }}),
        cast(null as {{ sage_accounting.type_text() }}),
        cast(null as {{ sage_accounting.type_text() }}),
        cast(null as {{ sage_accounting.type_text() }}),
        cast(null as {{ dbt.type_boolean() }}),
        false
    from named
    left join {{ ref('stg_sage__ledger_accounts') }} as listed
        on named.business_id = listed.business_id and named.ledger_account_id = listed.ledger_account_id
    where listed.ledger_account_id is null
)

select
    accounts.business_id,
    accounts.ledger_account_id,
    accounts.nominal_code,
    coalesce(accounts.account_name, accounts.displayed_as) as account_name,
    accounts.displayed_as,
    accounts.ledger_account_type_id,
    accounts.ledger_account_classification_id,
    sections.statement,
    sections.side,
    sections.section,
    sections.section_order,
    case
        when accounts.ledger_account_type_id = 'BANK' or bank_ledger_accounts.ledger_account_id is not null then true
        else false
    end as is_bank,
    accounts.control_name,
    accounts.is_control_account,
    accounts.is_listed,
    case when named.in_ledger = 1 then true else false end as is_in_ledger
from accounts
left join named
    on accounts.business_id = named.business_id and accounts.ledger_account_id = named.ledger_account_id
left join {{ ref('sage_account_sections') }} as sections
    on accounts.ledger_account_type_id = sections.ledger_account_type_id
left join bank_ledger_accounts
    on accounts.business_id = bank_ledger_accounts.business_id
    and accounts.ledger_account_id = bank_ledger_accounts.ledger_account_id
