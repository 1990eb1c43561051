{# One field of a nested record as text, null if there is none. dbt has no macro of its own for it. #}
{%- macro json_field(column, field) -%}
  {{ return(adapter.dispatch('json_field', 'sage_accounting')(column, field)) }}
{%- endmacro -%}
{%- macro default__json_field(column, field) -%}({{ column }} ->> '{{ field }}'){%- endmacro -%}
{%- macro snowflake__json_field(column, field) -%}({{ column }}:"{{ field }}"::varchar){%- endmacro -%}
{%- macro bigquery__json_field(column, field) -%}json_value({{ column }}, '$.{{ field }}'){%- endmacro -%}
{%- macro databricks__json_field(column, field) -%}get_json_object({{ column }}, '$.{{ field }}'){%- endmacro -%}
{%- macro spark__json_field(column, field) -%}get_json_object({{ column }}, '$.{{ field }}'){%- endmacro -%}
{%- macro redshift__json_field(column, field) -%}
  json_extract_path_text(json_serialize({{ column }}), '{{ field }}', true)
{%- endmacro -%}

{# A nested value whole, as the text of its JSON. #}
{%- macro json_text(column) -%}
  {{ return(adapter.dispatch('json_text', 'sage_accounting')(column)) }}
{%- endmacro -%}
{%- macro default__json_text(column) -%}cast({{ column }} as {{ sage_accounting.type_text() }}){%- endmacro -%}
{%- macro snowflake__json_text(column) -%}to_json({{ column }}){%- endmacro -%}
{%- macro bigquery__json_text(column) -%}to_json_string({{ column }}){%- endmacro -%}
{%- macro redshift__json_text(column) -%}json_serialize({{ column }}){%- endmacro -%}
