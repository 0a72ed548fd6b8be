"""A file that is there whole or not at all, whatever happens while it is written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hakika.cli.failure import CommandFailed


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file that is called `path` once the block has ended well; only we may read it.

    Raises:
        CommandFailed: it cannot be written there.
    """
    try:
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}.") from error
    try:
        with open(number, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        Path(name).unlink(missing_ok=True)  # it is not there any more when all went well
