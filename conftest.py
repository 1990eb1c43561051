"""The CDK's standard tests need their pytest plugin loaded at the root."""

pytest_plugins = ["airbyte_cdk.test.standard_tests.pytest_hooks"]
