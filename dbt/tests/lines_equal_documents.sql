-- Net, tax and total of each document, quote, other payment and journal, and of its live lines, in its own currency,
-- drafts and void ones too. Carriage is part of a document's totals and none of its lines.
{{ sage_accounting.may_be_unprovable() }}
{%- set documents = [
    ('sales_invoice', 'sales_invoices', true), ('sales_credit_note', 'sales_credit_notes', true),
    ('sales_quote', 'sales_quotes', true), ('sales_estimate', 'sales_estimates', true),
    ('purchase_invoice', 'purchase_invoices', false), ('purchase_credit_note', 'purchase_credit_notes', false),
    ('other_payment', 'other_payments', false)
] %}
with parts as (
    {%- for kind, stream, ships in documents %}
    {%- if not sage_accounting.streams_missing([kind ~ '_lines', stream]) %}
    select
        business_id, '{{ kind }}' as kind, {{ kind }}_id as document_id,
        coalesce(net_amount, 0) {{ "- coalesce(shipping_net_amount, 0)" if ships }} as net_amount,
        coalesce(tax_amount, 0) {{ "- coalesce(shipping_tax_amount, 0)" if ships }} as tax_amount,
        coalesce(total_amount, 0) {{ "- coalesce(shipping_total_amount, 0)" if ships }} as total_amount
    from {{ ref('stg_sage__' ~ stream) }}
    union all
    select
        business_id, '{{ kind }}', {{ kind }}_id,
        -coalesce(net_amount, 0), -coalesce(tax_amount, 0), -coalesce(total_amount, 0)
    from {{ ref('stg_sage__' ~ kind ~ '_lines') }}
    union all
    {%- endif %}
    {%- endfor %}
    {%- if not sage_accounting.streams_missing(['journals', 'journal_lines']) %}
    -- A journal's total is that of its debits; its lines must add up to nothing.
    select business_id, 'journal' as kind, journal_id as document_id, 0 as net_amount, 0 as tax_amount, coalesce(total_amount, 0) as total_amount
    from {{ ref('stg_sage__journals') }}
    union all
    select business_id, 'journal', journal_id, coalesce(debit, 0) - coalesce(credit, 0), 0, -coalesce(debit, 0)
    from {{ ref('stg_sage__journal_lines') }}
    union all
    {%- endif %}
    select
        cast(null as {{ sage_accounting.type_text() }}) as business_id, cast(null as {{ sage_accounting.type_text() }}) as kind,
        cast(null as {{ sage_accounting.type_text() }}) as document_id, {{ sage_accounting.zero() }} as net_amount,
        {{ sage_accounting.zero() }} as tax_amount, {{ sage_accounting.zero() }} as total_amount
)

select
    business_id, 'differs' as verdict, kind, document_id, sum(net_amount) as net_difference, sum(tax_amount) as tax_difference,
    sum(total_amount) as total_difference
from parts
group by business_id, kind, document_id
having round(sum(net_amount), 2) <> 0 or round(sum(tax_amount), 2) <> 0 or round(sum(total_amount), 2) <> 0
{%- for stream in sage_accounting.lines_missing([
    ('sales_invoice', 'sales_invoices'), ('sales_credit_note', 'sales_credit_notes'), ('sales_quote', 'sales_quotes'),
    ('sales_estimate', 'sales_estimates'), ('purchase_invoice', 'purchase_invoices'),
    ('purchase_credit_note', 'purchase_credit_notes'), ('other_payment', 'other_payments'), ('journal', 'journals')
]) %}
union all
select business_id, 'not checked', 'not selected: {{ stream }}', null, null, null, null
from {{ ref('int_sage__businesses') }}
{%- endfor %}
