-- Opening, movement and closing of each account, for the very days that Sage's report is about. A business without a
-- trial balance is not checked.
{{ sage_accounting.may_be_unprovable() }}
{%- for name in ['opening', 'movement', 'closing'] %}
select
    business_id, 'differs' as verdict, '{{ name }}' as what, ledger_account_id as key_id, from_date,
    {{ name }} as expected, ledger_{{ name }} as found
from {{ ref('trial_balance_by_period') }}
where {{ sage_accounting.differs(name, 'ledger_' ~ name) }}
union all
{%- endfor %}
select
    business_id, 'not checked', 'trial_balance is not here', null, first_posting, null, null
from {{ ref('int_sage__businesses') }}
where not has_trial_balance and first_posting is not null
