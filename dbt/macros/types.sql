{# The warehouse's types. An amount holds 29 digits before the point and nine behind it, as Airbyte's own columns do. #}
{%- macro type_of(kind) -%}
  {%- if kind == 'text' or kind == 'json' -%}{{ sage_accounting.type_text() }}
  {%- elif kind == 'amount' -%}{{ sage_accounting.type_amount() }}
  {%- elif kind == 'integer' -%}{{ dbt.type_bigint() }}
  {%- elif kind == 'flag' -%}{{ dbt.type_boolean() }}
  {%- elif kind == 'date' -%}date
  {%- elif kind == 'moment' -%}{{ dbt.type_timestamp() }}
  {%- else -%}{{ exceptions.raise_compiler_error("no such kind of column: " ~ kind) }}
  {%- endif -%}
{%- endmacro -%}

{#- Redshift's TEXT is no longer than 256 bytes: what is longer would be cut off. -#}
{%- macro type_text() -%}{{ return(adapter.dispatch('type_text', 'sage_accounting')()) }}{%- endmacro -%}
{%- macro default__type_text() -%}{{ dbt.type_string() }}{%- endmacro -%}
{%- macro redshift__type_text() -%}varchar(65535){%- endmacro -%}

{%- macro type_amount() -%}{{ return(adapter.dispatch('type_amount', 'sage_accounting')()) }}{%- endmacro -%}
{%- macro default__type_amount() -%}numeric(38, 9){%- endmacro -%}
{%- macro bigquery__type_amount() -%}numeric{%- endmacro -%}
{%- macro databricks__type_amount() -%}decimal(38, 9){%- endmacro -%}
{%- macro spark__type_amount() -%}decimal(38, 9){%- endmacro -%}

{%- macro zero() -%}cast(0 as {{ sage_accounting.type_amount() }}){%- endmacro -%}

{# A sum as an amount: DuckDB and Snowflake widen or float sums, and unions want one type. #}
{%- macro amount(expression) -%}cast({{ expression }} as {{ sage_accounting.type_amount() }}){%- endmacro -%}


{# BigQuery asks for the word; Redshift does not know it. #}
{%- macro union_distinct() -%}{{ return(adapter.dispatch('union_distinct', 'sage_accounting')()) }}{%- endmacro -%}
{%- macro default__union_distinct() -%}union{%- endmacro -%}
{%- macro bigquery__union_distinct() -%}union distinct{%- endmacro -%}
