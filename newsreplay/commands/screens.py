"""What commands print on."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from newsreplay.report.tables.tables import Screen


def screen() -> Screen:
    """The terminal that stdout is, with colours unless NO_COLOR is set; elsewhere tables get as wide as they are.

    COLUMNS, where it is set, is how wide lines are on either.
    """
    from newsreplay.report.tables.tables import Screen

    on_terminal = sys.stdout.isatty()
    columns = shutil.get_terminal_size().columns if on_terminal or "COLUMNS" in os.environ else None
    return Screen(columns, colour=on_terminal and not os.environ.get("NO_COLOR"))
