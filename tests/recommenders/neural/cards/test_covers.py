"""Covers come from strangers: what is no picture is none, and nothing outside the folder is looked at."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from newsreplay.errors import SpecError
from newsreplay.recommenders.neural.cards.covers import Covers, opened

RED = (200, 30, 40)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def plain(mode: str = "RGB", colour: object = RED) -> Image.Image:
    return Image.new(mode, (400, 300), colour)  # type: ignore[arg-type]


def palette(path: Path) -> Path:
    image = plain().quantize(4)
    return saved(path.with_suffix(".png"), image, transparency=bytes([0, 255, 255, 255]))


def of_16_bits(path: Path) -> Path:
    grey = np.full((300, 400), 0x8040, np.uint16)
    return saved(path.with_suffix(".png"), Image.fromarray(grey))


def moving(path: Path) -> Path:
    frames = [plain(), plain(colour=(0, 0, 255)), plain(colour=(0, 255, 0))]
    return saved(path.with_suffix(".webp"), frames[0], save_all=True, append_images=frames[1:], lossless=True)


ODD: dict[str, tuple[Callable[[Path], Path], tuple[int, int, int]]] = {
    "jpeg": (lambda path: saved(path.with_suffix(".jpg"), plain(), quality=95), RED),
    "cmyk": (lambda path: saved(path.with_suffix(".jpg"), plain().convert("CMYK"), quality=95), RED),
    "grey": (lambda path: saved(path.with_suffix(".png"), plain("L", 77)), (77, 77, 77)),
    "one bit": (lambda path: saved(path.with_suffix(".png"), plain("1", 1)), (255, 255, 255)),
    "grey, half clear": (lambda path: saved(path.with_suffix(".png"), plain("LA", (0, 0))), (255, 255, 255)),
    "clear": (lambda path: saved(path.with_suffix(".png"), plain("RGBA", (*RED, 0))), (255, 255, 255)),
    "opaque": (lambda path: saved(path.with_suffix(".png"), plain("RGBA", (*RED, 255))), RED),
    "16 bits": (of_16_bits, (0x80, 0x80, 0x80)),
    "palette": (palette, (255, 255, 255)),
    "moving": (moving, RED),
    "one pixel": (lambda path: saved(path.with_suffix(".png"), Image.new("RGB", (1, 1), RED)), RED),
    "a line": (lambda path: saved(path.with_suffix(".png"), Image.new("RGB", (5_000, 1), RED)), RED),
}


@pytest.mark.parametrize(("write", "colour"), ODD.values(), ids=ODD.keys())
def test_pictures_of_any_kind_are_brought_into_shape(
    write: Callable[[Path], Path], colour: tuple[int, int, int], tmp_path: Path
) -> None:
    cover = opened(write(tmp_path / "x"))
    assert cover is not None
    assert (cover.mode, cover.size) == ("RGB", (200, 165))
    pixels = np.asarray(cover, int)
    assert np.abs(pixels - np.array(colour)).max() <= 4  # a JPEG is not exact


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and holds a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_what_is_no_picture_is_none(tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.jpg", plain(), quality=95).read_bytes()
    picture = saved(tmp_path / "whole.png", plain()).read_bytes()
    broken = {
        "empty.jpg": b"",
        "text.jpg": b"<html>not found</html>",
        "truncated.jpg": whole[: len(whole) // 2],
        "headless.jpg": whole[20:],
        "truncated.png": picture[: len(picture) - 60],
        "damaged.png": picture[:60] + bytes(20) + picture[80:],
        "huge.png": bomb(60_000, 60_000),
        "large.png": bomb(12_000, 5_000),
        "endless.png": bomb(2**31 - 1, 2**31 - 1),
        "no side.png": bomb(0, 5),
        "other.gif.png": b"GIF89a" + bytes(40),
    }
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
        assert opened(tmp_path / name) is None, name
    (tmp_path / "folder.jpg").mkdir()
    assert opened(tmp_path / "folder.jpg") is None
    assert opened(tmp_path / "nowhere.jpg") is None


def test_other_formats_are_not_opened_whatever_they_are_called(tmp_path: Path) -> None:
    for kind in ("GIF", "BMP", "TIFF", "PPM"):
        path = tmp_path / f"{kind}.jpg"
        plain().save(path, format=kind)
        assert opened(path) is None


def test_covers_are_called_as_their_article_or_as_its_image(tmp_path: Path) -> None:
    for name in ("N1.jpg", "N2.jpeg", "N3.PNG", "N3.png", "77.webp", "front.page.jpg"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "2019").mkdir()
    (tmp_path / "2019" / "a.png").write_bytes(b"x")
    covers = Covers(tmp_path)

    def found(article: str, image: str | None = None) -> str | None:
        path = covers.find(article, image)
        return None if path is None else path.relative_to(tmp_path).as_posix()

    assert [found(name) for name in ("N1", "N2", "N3", "N4")] == ["N1.jpg", "N2.jpeg", "N3.png", None]
    assert found("N4", "77") == "77.webp"
    assert found("N1", "77") == "N1.jpg"
    assert found("N4", "front.page.jpg") == found("N4", "front.page") == "front.page.jpg"
    assert found("N4", "2019/a.png") == found("N4", "2019/a") == "2019/a.png"
    assert found("N4", "https://example.org/N1.jpg") is None


def test_nothing_outside_the_folder_is_looked_at(tmp_path: Path) -> None:
    inside = tmp_path / "covers"
    inside.mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"x")
    (inside / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (inside / "folder").symlink_to(tmp_path)
    (inside / "loop.jpg").symlink_to(inside / "loop.jpg")
    (inside / "deep.jpg").mkdir()
    covers = Covers(inside)
    outside = (tmp_path / "secret").as_posix()
    names = (
        "../secret",
        "../secret.jpg",
        outside,
        f"{outside}.jpg",
        "folder/secret",
        "link",
        "loop",
        "deep",
        "..",
        ".",
    )
    odd = ("", "a" * 5_000, "N\x001", "N\n1", "~", "C:secret", "..\\secret", "\ud800", "a/" * 90)
    for name in (*names, *odd):
        assert covers.find(name, name) is None, name


def test_a_folder_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is no such folder; name one with pictures called ID"):
        Covers(tmp_path / "nowhere")
