{#
  What is live, and what counts: said here and nowhere else. The same rules are in docs/sage.md of the connector.

  A row is live unless it is marked as deleted. Entries and transactions have a second mark, Sage's own `deleted`.
  Of lines, allocations and the like only the newest reading of each parent is live (Sage does not tell which lines an
  edit took away): `age` is 1 for it.
  A document counts unless it is a draft, void or a pro forma: these are no entries in the books and owed by nobody.
#}
{%- macro is_live(kind, alias) -%}
  {%- if kind == 'row' -%}not coalesce({{ alias }}.is_deleted, false)
  {%- elif kind == 'entry' -%}not coalesce({{ alias }}.deleted, false) and not coalesce({{ alias }}.is_deleted, false)
  {%- elif kind == 'line' -%}{{ alias }}.age = 1 and not coalesce({{ alias }}.is_deleted, false)
  {%- elif kind == 'whole' -%}1 = 1
  {%- else -%}{{ exceptions.raise_compiler_error("no such kind of table: " ~ kind) }}
  {%- endif -%}
{%- endmacro -%}

{%- macro age_of_line(parent, alias) -%}
  rank() over (
    partition by {{ alias }}.business_id{% for column in parent %}, {{ alias }}.{{ column }}{% endfor %}
    order by {{ alias }}.updated_at desc, {{ alias }}.read_at desc
  )
{%- endmacro -%}

{%- macro counts(status) -%}coalesce({{ status }}, 'UNPAID') not in ('DRAFT', 'VOID', 'PRO_FORMA'){%- endmacro -%}

{# Of an amount: nothing that rounds to a penny. #}
{%- macro differs(one, other) -%}
  round({{ sage_accounting.amount('coalesce(' ~ one ~ ', 0) - coalesce(' ~ other ~ ', 0)') }}, 2) <> 0
{%- endmacro -%}

{# For the monthly models: from the first month that is wanted. #}
{%- macro wanted(month) -%}
  {%- if var('sage_first_month', none) -%}cast({{ month }} as date) >= cast('{{ var("sage_first_month") }}' as date)
  {%- else -%}1 = 1{%- endif -%}
{%- endmacro -%}
