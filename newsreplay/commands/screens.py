"""What commands print on."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from newsreplay.report.tables.tables import Screen


def screen() -> Screen:
    """The terminal that stdout is, with colours unless NO_COLOR is set; elsewhere tables are as wide as they get."""
    from newsreplay.report.tables.tables import Screen

    if not sys.stdout.isatty():
        return Screen()
    return Screen(shutil.get_terminal_size().columns, colour=not os.environ.get("NO_COLOR"))
