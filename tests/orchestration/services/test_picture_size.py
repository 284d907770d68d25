from __future__ import annotations

import struct

import pytest

from orchestration.services.picture_size import picture_size
from tests.pictures import png

JPEG = (
    b"\xff\xd8"
    + b"\xff\xe0\x00\x10JFIF\0\1\1\0\0\1\0\1\0\0"
    + b"\xff\xc0\x00\x11\x08"
    + struct.pack(">HH", 600, 800)
    + b"\3\1\x11\0"
)


def _webp(kind: bytes, rest: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + kind + struct.pack("<I", len(rest)) + rest.ljust(10, b"\0")


@pytest.mark.req("TQ-20")
@pytest.mark.parametrize(
    ("head", "size"),
    [
        (png(1280, 800), (1280, 800)),
        (JPEG, (800, 600)),
        (_webp(b"VP8X", b"\0" * 4 + b"\x1f\3\0" + b"\x57\2\0"), (800, 600)),
        (_webp(b"VP8L", b"\x2f" + struct.pack("<I", 799 | 599 << 14)), (800, 600)),
        (_webp(b"VP8 ", b"\0\0\0\x9d\1\x2a" + struct.pack("<HH", 800, 600)), (800, 600)),
    ],
)
def test_reads_the_size(head: bytes, size: tuple[int, int]) -> None:
    assert picture_size(head) == size


@pytest.mark.parametrize("head", [b"", b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"<html>", JPEG[:24]])
def test_of_anything_else_there_is_none(head: bytes) -> None:
    assert picture_size(head) is None
