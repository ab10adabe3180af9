"""What tests of several folders take."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recommenders.neural.tiny_bert import write_bert


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny language model."""
    return write_bert(tmp_path_factory.mktemp("bert"))
