{# A key: the columns together are there once and are never null. Gives one row a key that is not. #}
{% test key(model, columns) %}
select {{ columns | join(', ') }}, count(*) as times
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{%- for column in columns %} or {{ column }} is null{% endfor %}
{% endtest %}

{# A reference inside a business: each value of the column that is not null is in another model's field. #}
{% test refers_to(model, column_name, to, field) %}
{#- With a `where` in its config the model has an alias of dbt's. #}
with child as (select * from {{ model }})
select child.business_id, child.{{ column_name }}, count(*) as times
from child
left join {{ to }} as parent
    on child.business_id = parent.business_id and child.{{ column_name }} = parent.{{ field }}
where child.{{ column_name }} is not null and parent.{{ field }} is null
group by child.business_id, child.{{ column_name }}
{% endtest %}

{# Only these values. As dbt's own, but a failing row says which business it is of. #}
{% test one_of(model, column_name, values) %}
select business_id, {{ column_name }}, count(*) as times
from {{ model }}
where {{ column_name }} is null
    or {{ column_name }} not in ({% for value in values %}'{{ value }}'{{ ", " if not loop.last }}{% endfor %})
group by business_id, {{ column_name }}
{% endtest %}

{#
  For a check that cannot be made everywhere. Its rows have a `verdict`: 'differs' fails the test; 'not checked' with the
  reason makes it a warning, by name, in each run: it never passes.
#}
{%- macro may_be_unprovable() -%}
{{ config(
    fail_calc="coalesce(sum(case when verdict = 'differs' then 1000000 else 1 end), 0)",
    error_if='>= 1000000',
    warn_if='> 0'
) }}
{%- endmacro -%}
