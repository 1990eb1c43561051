# One Sage sign-in, all its businesses, into one destination, every night. For further sign-ins use this folder as a
# module, once for each: a sign-in must feed one source only (docs/kubernetes.md says why).

terraform {
  required_providers {
    airbyte = {
      source  = "airbytehq/airbyte"
      version = ">= 0.6"
    }
  }
}

variable "workspace_id" {
  type = string
}

variable "destination_id" {
  type        = string
  description = "The warehouse, e.g. airbyte_destination_postgres.warehouse.destination_id"
}

variable "source_sage_version" {
  type    = string
  default = "0.1.0"
}

variable "client_id" {
  type      = string
  sensitive = true
}

variable "client_secret" {
  type      = string
  sensitive = true
}

variable "access_token" {
  type      = string
  sensitive = true
}

variable "refresh_token" {
  type        = string
  sensitive   = true
  description = "From source-sage authorize. It works once: Airbyte replaces it at the first renewal"
}

locals {
  sage = {
    account_id               = "all"
    client_id                = var.client_id
    client_secret            = var.client_secret
    access_token             = var.access_token
    refresh_token            = var.refresh_token
    start_date               = "2024-01-01"
    replicate_financial_data = true
    replicate_inventory_data = false
    replicate_customer_data  = true
    include_historical_data  = false
    num_workers              = 8
  }
}

resource "airbyte_source_definition" "sage" {
  workspace_id      = var.workspace_id
  name              = "Sage"
  docker_repository = "airbyte/source-sage"
  docker_image_tag  = var.source_sage_version
  documentation_url = "https://docs.airbyte.com/integrations/sources/sage"
}

resource "airbyte_source_custom" "sage" {
  workspace_id  = var.workspace_id
  definition_id = airbyte_source_definition.sage.id
  name          = "Sage"
  configuration = jsonencode(local.sage)

  # Airbyte keeps the renewed tokens in the source. An apply that wrote the first ones back would end the sign-in. To
  # change a setting, change it in Airbyte; to sign in anew, replace this resource.
  lifecycle {
    ignore_changes = [configuration]
  }
}

resource "airbyte_connection" "sage" {
  name                                 = "Sage to the warehouse"
  source_id                            = airbyte_source_custom.sage.source_id
  destination_id                       = var.destination_id
  namespace_definition                 = "destination"
  prefix                               = "sage_"
  non_breaking_schema_updates_behavior = "propagate_columns"

  schedule = {
    schedule_type   = "cron"
    cron_expression = "0 0 2 * * ?"
  }

  # Keys and cursors come from the source.
  configurations = {
    streams = [
      { name = "businesses", sync_mode = "full_refresh_overwrite" },
      { name = "bank_accounts", sync_mode = "incremental_deduped_history" },
      { name = "contact_payments", sync_mode = "incremental_deduped_history" },
      { name = "contacts", sync_mode = "incremental_deduped_history" },
      { name = "deleted_records", sync_mode = "incremental_append" },
      { name = "ledger_accounts", sync_mode = "incremental_deduped_history" },
      { name = "ledger_entries", sync_mode = "incremental_deduped_history" },
      { name = "purchase_invoices", sync_mode = "incremental_deduped_history" },
      { name = "sales_invoices", sync_mode = "incremental_deduped_history" },
      { name = "transactions", sync_mode = "incremental_deduped_history" },
      { name = "trial_balance", sync_mode = "full_refresh_overwrite" },
    ]
  }
}
