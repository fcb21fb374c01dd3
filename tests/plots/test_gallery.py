"""The gallery has a small picture of every figure, and its page is what the figures' files say."""

import io
import os

import gallery_page
import pytest
from PIL import Image

from scaling_cli import plots

LARGEST = 60_000  # bytes
EVERY = [*plots.names(), *gallery_page.OTHERS]


@pytest.mark.parametrize("kind", EVERY)
def test_the_gallery_has_every_figure(kind: str) -> None:
    """SCALING_GOLDEN=write draws the pictures again; look at them before you commit them."""
    file = gallery_page.FOLDER / f"{kind}.png"
    if os.environ.get("SCALING_GOLDEN") == "write":
        file.write_bytes(gallery_page.picture(kind))
    assert 4_000 < file.stat().st_size < LARGEST
    with Image.open(file) as picture:
        assert picture.format == "PNG" and min(picture.size) > 300


@pytest.mark.parametrize("kind", [kind for kind in plots.names() if kind != "isoflop"])
def test_a_figure_of_the_gallery_has_numbers(kind: str) -> None:
    lines = plots.csv(gallery_page.table(kind)).splitlines()
    assert len(lines) > 10 and lines[0] == "place,row,value"


def test_a_picture_is_made_the_same_twice() -> None:
    first, again = (gallery_page.picture("residuals") for _ in range(2))
    assert first == again
    with Image.open(io.BytesIO(first)) as picture:
        assert picture.mode == "P"


def test_the_page_is_written_from_the_figures() -> None:
    assert gallery_page.PAGE.read_text("utf8") == gallery_page.page()
    assert sorted(EVERY) == sorted(p.stem for p in gallery_page.FOLDER.glob("*.png"))
