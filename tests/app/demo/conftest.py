"""What tests of the demo share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.demo import launch


@pytest.fixture(scope="module")
def environment() -> Iterator[None]:
    """The demo's settings of Gradio, for one module of tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (
            "GRADIO_ANALYTICS_ENABLED",
            "HF_HUB_DISABLE_TELEMETRY",
            "GRADIO_TEMP_DIR",
            "GRADIO_EXAMPLES_CACHE",
        ):
            patch.setenv(name, "to be replaced, and restored at the end")
        launch.prepare_environment()
        yield


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A striped picture."""
    pixels = np.zeros((240, 120, 3), np.uint8)
    pixels[:, ::2] = (200, 90, 40)
    Image.fromarray(pixels).save(tmp_path / "coat.png")
    return tmp_path / "coat.png"
