"""What all tests share."""

from hypothesis import HealthCheck, settings

# The CDK's standard tests need their pytest plugin loaded at the root.
pytest_plugins = ["airbyte_cdk.test.standard_tests.pytest_hooks"]

# A busy machine is slow, and no failure. What else the profile says (in CI the same examples each time) stays.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
