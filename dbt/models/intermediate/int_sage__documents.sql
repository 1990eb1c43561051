-- Every invoice, credit note and quick entry that counts, in one form. `sign` is 1 where the document raises what is owed
-- on its side and -1 where it lowers it.
{%- set kinds = [
    ('sales_invoice', 'sales_invoices', 'sales', '1', true),
    ('sales_credit_note', 'sales_credit_notes', 'sales', '-1', true),
    ('sales_quick_entry', 'sales_quick_entries', 'sales', none, false),
    ('purchase_invoice', 'purchase_invoices', 'purchases', '1', true),
    ('purchase_credit_note', 'purchase_credit_notes', 'purchases', '-1', true),
    ('purchase_quick_entry', 'purchase_quick_entries', 'purchases', none, false)
] %}
{%- for kind, stream, side, sign, has_lines in kinds %}
select
    business_id,
    '{{ kind }}' as document_type,
    {{ kind }}_id as document_id,
    '{{ side }}' as side,
    {{ sign if sign else "case when quick_entry_type_id = 'CREDIT_NOTE' then -1 else 1 end" }} as sign,
    document_number,
    reference,
    document_date,
    {{ "document_date" if kind in ("sales_credit_note", "purchase_credit_note") else "coalesce(due_date, document_date)" }}
        as due_date,
    contact_id,
    status_id,
    currency_id,
    transaction_id,
    coalesce(net_amount, 0) as net_amount,
    coalesce(tax_amount, 0) as tax_amount,
    coalesce(total_amount, 0) as total_amount,
    coalesce(base_currency_net_amount, net_amount, 0) as base_net_amount,
    coalesce(base_currency_tax_amount, tax_amount, 0) as base_tax_amount,
    coalesce(base_currency_total_amount, total_amount, 0) as base_total_amount,
    coalesce(outstanding_amount, 0) as outstanding_amount,
    coalesce(base_currency_outstanding_amount, 0) as base_outstanding_amount,
    inverse_exchange_rate as base_rate,
    updated_at
from {{ ref('stg_sage__' ~ stream) }}
where {{ sage_accounting.counts('status_id') }}
{{ "union all" if not loop.last }}
{%- endfor %}
