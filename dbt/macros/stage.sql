{#
  A stream's live rows, flattened and typed.

  stream: its name at the connector.
  columns: [name here, path there, kind]; a path is a column, or a column and a field of the record in it, like
    `contact.id`. Kinds: text, amount, integer, flag, date, moment, json (a nested value as text).
  live: which rule of `is_live` holds for it; for lines, `parent` names the columns of the parent's key.

  A table that is not there (its toggle is off, or it is not selected) gives no rows, a column that is not there gives
  nulls: the models above stay empty and are not broken.
#}
{%- macro stage(stream, columns, live, parent=[]) -%}
{%- set relation = source('sage', stream) -%}
{%- set there = sage_accounting.columns_there(relation) -%}
{%- set used = ['business_id'] + parent -%}
{%- if live in ('row', 'entry', 'line') -%}{%- do used.append('is_deleted') -%}{%- endif -%}
{%- if live == 'entry' -%}{%- do used.append('deleted') -%}{%- endif -%}
{%- if live == 'line' -%}{%- do used.extend(['updated_at', 'read_at']) -%}{%- endif -%}
{%- for _, path, kind in columns -%}
  {%- if path.split('.')[0] not in used -%}{%- do used.append(path.split('.')[0]) -%}{%- endif -%}
{%- endfor -%}
{%- if there is none %}
{{ sage_accounting.no_rows(columns) }}
{%- else %}
with source_rows as (
    select
        {%- for column in used %}
        {% if there == 'unknown' or column in there -%}
        source_row.{{ column }}
        {%- else -%}
        cast(null as {{ sage_accounting.type_of('flag' if column in ('is_deleted', 'deleted') else 'text') }}) as {{ column }}
        {%- endif %}
        {{- "," if not loop.last }}
        {%- endfor %}
    from {{ relation }} as source_row
    {%- if var('sage_businesses', []) %}
    where source_row.business_id in (
        {%- for one in var('sage_businesses') %}'{{ one }}'{{ ", " if not loop.last }}{% endfor %})
    {%- endif %}
),

aged as (
    select
        source_rows.*
        {%- if live == 'line' %},
        {{ sage_accounting.age_of_line(parent, 'source_rows') }} as age
        {%- endif %}
    from source_rows
)

select
    cast(aged.business_id as {{ sage_accounting.type_text() }}) as business_id
    {%- for name, path, kind in columns %}
    {%- set parts = path.split('.') -%}
    {%- set missing = there != 'unknown' and parts[0] not in there -%}
    {%- set value -%}
      {%- if missing -%}null
      {%- elif parts | length == 2 -%}{{ sage_accounting.json_field('aged.' ~ parts[0], parts[1]) }}
      {%- elif kind == 'json' -%}{{ sage_accounting.json_text('aged.' ~ parts[0]) }}
      {%- else -%}aged.{{ parts[0] }}
      {%- endif -%}
    {%- endset %},
    cast({{ value }} as {{ sage_accounting.type_of(kind) }}) as {{ name }}
    {%- endfor %}
from aged
where {{ sage_accounting.is_live(live, 'aged') }}
{%- endif %}
{%- endmacro -%}

{# A stream whose table is not there. BigQuery has no WHERE without a FROM. #}
{%- macro no_rows(columns) -%}
select
    cast(null as {{ sage_accounting.type_text() }}) as business_id
    {%- for name, path, kind in columns %},
    cast(null as {{ sage_accounting.type_of(kind) }}) as {{ name }}
    {%- endfor %}
from (select 1 as nothing) as nothing
where 1 = 0
{%- endmacro -%}

{#
  The columns of a relation in lower case; none if it is not there. Without a look into the warehouse (while parsing,
  or with --no-introspect) everything is taken to be there: 'unknown'.
#}
{%- macro columns_there(relation) -%}
  {%- if not execute or not flags.INTROSPECT -%}{{ return('unknown') }}{%- endif -%}
  {#- The rows of a unit test are no table. -#}
  {%- if relation.is_cte -%}{{ return('unknown') }}{%- endif -%}
  {%- set found = adapter.get_relation(relation.database, relation.schema, relation.identifier) -%}
  {%- if found is none -%}{{ return(none) }}{%- endif -%}
  {%- set names = [] -%}
  {%- for column in adapter.get_columns_in_relation(found) -%}{%- do names.append(column.name | lower) -%}{%- endfor -%}
  {{ return(names) }}
{%- endmacro -%}

{# Which of these streams have no table. #}
{%- macro streams_missing(streams) -%}
  {%- set missing = [] -%}
  {%- for stream in streams -%}
    {%- if sage_accounting.columns_there(source('sage', stream)) is none -%}{%- do missing.append(stream) -%}{%- endif -%}
  {%- endfor -%}
  {{ return(missing) }}
{%- endmacro -%}

{# Streams of lines that are not there though their documents are: then lines and documents cannot be compared. #}
{%- macro lines_missing(documents) -%}
  {%- set missing = [] -%}
  {%- for kind, stream in documents -%}
    {%- if not sage_accounting.streams_missing([stream]) -%}
      {%- do missing.extend(sage_accounting.streams_missing([kind ~ '_lines'])) -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(missing) }}
{%- endmacro -%}
