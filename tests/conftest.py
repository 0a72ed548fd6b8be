"""What every test run shares; each plug-in says for itself what it does."""

pytest_plugins = ["tests.browser", "tests.budget", "tests.postgres"]
