"""From the command line and the environment to settings; and logs, from then on."""

from __future__ import annotations

from pathlib import Path

from hakika.cli import logs
from hakika.cli.failure import EXIT_MISASKED, CommandFailed
from hakika.settings import Settings, SettingsInvalid, read_settings


def configured(data: Path | None = None, **overrides: object) -> Settings:
    """Return the settings, above them the `overrides` that are not None; from now on we log."""
    overrides |= {"data": data}
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = read_settings(None, **given)
    except SettingsInvalid as error:
        raise CommandFailed(str(error), exit_code=EXIT_MISASKED) from error
    logs.set_up(settings.log_level)
    return settings.model_copy(update={"data": settings.data.expanduser().absolute()})
