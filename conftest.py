"""What all tests share."""

import gc

import pytest
from hypothesis import HealthCheck, settings

# The CDK's standard tests need their pytest plugin loaded at the root.
pytest_plugins = ["airbyte_cdk.test.standard_tests.pytest_hooks"]

# A busy machine is slow, and no failure. What else the profile says (in CI the same examples each time) stays.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Sandboxes keep many small objects: to look through them as often as Python does takes a quarter of the time.
gc.set_threshold(100_000, 20, 100)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test that names its quick combinations, the others are slow."""
    for item in items:
        quick = item.get_closest_marker("quick")
        if quick is not None and item.callspec.id not in quick.args:  # type: ignore[attr-defined]
            item.add_marker(pytest.mark.slow)
