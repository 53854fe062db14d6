"""A catalogue of malformed and unusual DICOM files: each is refused, flagged or read as stated."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from mammorisk.errors import (
    ExamError,
    NoImages,
    PixelError,
    TooLarge,
    UnknownView,
    UnreadableDicom,
    UnreadableFile,
    UnsupportedSyntax,
    WrongModality,
)
from tests import factories as f
from tests.io.hostile import as_bytes, element, find, insert, read_and_load, set_value, small, told

Make = Callable[[Path], bytes | bytearray]

MODALITY, PATIENT_NAME, PATIENT_AGE = 0x00080060, 0x00100010, 0x00101010
SERIES_UID, ROWS, BITS_ALLOCATED, PIXELS = 0x0020000E, 0x00280010, 0x00280100, 0x7FE00010


def good(**attributes: object) -> Make:
    return lambda folder: as_bytes(small(**attributes), folder)


def cut(keep: int) -> Make:
    return lambda folder: as_bytes(small(), folder)[:keep]


def cut_at(tag: int, after: int = 0) -> Make:
    def make(folder: Path) -> bytes:
        data = as_bytes(small(), folder)
        return data[: find(data, tag) + after]

    return make


def with_extra(what: bytes, before: int = SERIES_UID) -> Make:
    return lambda folder: insert(as_bytes(small(), folder), before, what)


def with_value(tag: int, value: bytes) -> Make:
    return lambda folder: set_value(as_bytes(small(), folder), tag, value)


def nested(depth: int, *, undefined: bool) -> bytes:
    tag = 0x00081140
    if undefined:
        opening = element(tag, b"SQ", b"", 0xFFFFFFFF) + struct.pack(
            "<HHI", 0xFFFE, 0xE000, 2**32 - 1
        )
        closing = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
        return opening * depth + closing * depth
    inner = b""
    for _ in range(depth):
        inner = element(tag, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner)
    return inner


def preamble(start: bytes) -> Make:
    def make(folder: Path) -> bytes:
        data = as_bytes(small(), folder)
        data[: len(start)] = start
        return data

    return make


def transfer_syntax(uid: bytes) -> Make:
    def make(folder: Path) -> bytes:
        data = as_bytes(small(), folder)
        return set_value(data, 0x00020010, uid + b"\0" * (len(uid) % 2))

    return make


def deflated(size: int, *, keep: float = 1.0) -> Make:
    """A deflated file whose pixel data inflate to a size."""

    def make(folder: Path) -> bytes:
        data = as_bytes(small(f.DEFLATED), folder)
        meta_end = 144 + struct.unpack("<I", data[140:144])[0]
        body = bytearray(zlib.decompress(data[meta_end:], -zlib.MAX_WBITS))
        body = body[: body.find(struct.pack("<HH", 0x7FE0, 0x0010))]
        packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
        packed = packer.compress(bytes(body) + element(PIXELS, b"OW", b"", size))
        for _ in range(size // 2**20):
            packed += packer.compress(b"\0" * 2**20)
        packed += packer.flush()
        return bytes(data[:meta_end]) + packed[: int(keep * len(packed))]

    return make


def without(*keywords: str) -> Make:
    def make(folder: Path) -> bytes:
        dataset = small()
        for keyword in keywords:
            delattr(dataset, keyword)
        return as_bytes(dataset, folder)

    return make


def frame(syntax: str, spoil: Callable[[bytes], bytes]) -> Make:
    """A compressed file whose codestream is spoilt; items and lengths stay right."""

    def make(folder: Path) -> bytes:
        stream = spoil(f.ENCODERS[syntax](f.breast_pixels(rows=40, columns=32), 12))
        stream += b"\0" * (len(stream) % 2)
        return fragments(syntax, [b"", stream])(folder)

    return make


def fragments(syntax: str, parts: list[bytes], end: bytes = b"\xfe\xff\xdd\xe0\0\0\0\0") -> Make:
    """Encapsulated pixel data made of given items, the first the offset table."""

    def make(folder: Path) -> bytes:
        data = as_bytes(small(syntax), folder)
        data = data[: find(data, PIXELS)]
        items = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(p)) + p for p in parts)
        return bytes(data) + element(PIXELS, b"OB", b"", 0xFFFFFFFF) + items + end

    return make


def claimed_size(rows: int, columns: int, marker: bytes) -> Callable[[bytes], bytes]:
    """Another size in the start-of-frame segment of a JPEG or JPEG-LS stream."""

    def spoil(stream: bytes) -> bytes:
        at = stream.find(marker)
        assert at > 0
        return stream[: at + 5] + struct.pack(">HH", rows, columns) + stream[at + 9 :]

    return spoil


def claimed_siz(rows: int, columns: int) -> Callable[[bytes], bytes]:
    def spoil(stream: bytes) -> bytes:
        return stream[:8] + struct.pack(">II", columns, rows) + stream[16:]

    return spoil


def self_reference(folder: Path) -> bytes:
    dataset = small()
    link = Dataset()
    link.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
    dataset.SourceImageSequence = [link]
    return as_bytes(dataset, folder)


def lut_of(count: int, entries: int, bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [count, 0, bits])
    item.add_new("LUTData", "OW", bytes(2 * entries))
    return item


def no_meta(folder: Path) -> bytes:
    data = as_bytes(small(f.IMPLICIT), folder)
    return data[144 + struct.unpack("<I", data[140:144])[0] :]


def colour(folder: Path) -> bytes:
    dataset = small()
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"
    return as_bytes(dataset, folder)


def elements(count: int) -> bytes:
    """Private elements, empty."""
    return b"".join(
        element((0x0009 + 2 * (i // 60_000)) << 16 | 0x1000 + i % 60_000, b"LO", b"")
        for i in range(count)
    )


def items(count: int) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, 0) * count


def long_numbers(folder: Path) -> bytes:
    data = as_bytes(small(f.IMPLICIT), folder)
    value = b"1\\" * 3_000_000
    return insert(data, ROWS, b"\x18\x00\x10\x10" + struct.pack("<I", len(value)) + value)


def deflated_elements(folder: Path) -> bytes:
    return repacked(folder, lambda body: elements(300_000))


def deflated_without_group_length(folder: Path) -> bytes:
    data = repacked(folder, lambda body: body)
    return data[:132] + data[144:]


def repacked(folder: Path, change: Callable[[bytes], bytes]) -> bytes:
    """A deflated file whose data set is changed."""
    data = as_bytes(small(f.DEFLATED), folder)
    meta_end = 144 + struct.unpack("<I", data[140:144])[0]
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = change(zlib.decompress(data[meta_end:], -zlib.MAX_WBITS))
    return bytes(data[:meta_end]) + packer.compress(body) + packer.flush()


SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
JUNK = bytes(np.random.default_rng(5).integers(0, 256, 3000, dtype=np.uint8))
LOSSLESS = f.JPEG_LOSSLESS_SV1

REFUSED = {
    # structure
    "empty file": (lambda _: b"", UnreadableFile, "empty"),
    "one byte": (lambda _: b"\0", NoImages, "not an image file"),
    "text": (lambda _: b"hello " * 100, NoImages, "not an image file"),
    "random bytes": (lambda _: JUNK, NoImages, "not an image file"),
    "random bytes after the prefix": (lambda _: bytes(128) + b"DICM" + JUNK, UnreadableDicom, ""),
    "prefix and nothing else": (cut(132), UnreadableDicom, ""),
    "cut in the file meta information": (cut(160), UnreadableDicom, ""),
    "cut after the file meta information": (cut_at(0x00080008), UnreadableDicom, "truncated"),
    "cut in the header": (cut_at(PATIENT_NAME, 10), ExamError, ""),
    "cut in a length": (cut_at(ROWS, 7), ExamError, ""),
    "cut before the pixel data": (cut_at(PIXELS), PixelError, "no PixelData"),
    "cut in the length of the pixel data": (cut_at(PIXELS, 10), UnreadableDicom, ""),
    "cut in the pixel data": (cut_at(PIXELS, 500), PixelError, "truncated"),
    "another modality": (good(Modality="CT"), WrongModality, "Modality"),
    "a modality that is a sentence": (with_value(MODALITY, b"SMITH^JANE 1950 "), WrongModality, ""),
    # Which error ends the recursion depends on the depth of the caller.
    "sequences 300 deep, undefined lengths": (
        with_extra(nested(300, undefined=True)),
        UnreadableDicom,
        "Error)",
    ),
    "sequences 3000 deep, undefined lengths": (
        with_extra(nested(3000, undefined=True)),
        UnreadableDicom,
        "Error)",
    ),
    "sequences 3000 deep, defined lengths": (
        with_extra(nested(3000, undefined=False)),
        UnreadableDicom,
        "",
    ),
    "sequences 300 deep, defined lengths": (
        with_extra(nested(300, undefined=False)),
        UnreadableDicom,
        "RecursionError",
    ),
    "300,000 elements": (with_extra(elements(300_000), PATIENT_NAME), TooLarge, "more elements"),
    "300,000 items": (
        with_extra(element(0x00081140, b"SQ", items(300_000) + SEQUENCE_END, 0xFFFFFFFF)),
        TooLarge,
        "more elements",
    ),
    "600,000 items in a sequence of stated length": (
        with_extra(element(0x00081140, b"SQ", items(600_000))),
        TooLarge,
        "MB of values",
    ),
    "one attribute of 3 million numbers": (long_numbers, TooLarge, "MB of values"),
    "300,000 elements, deflated": (deflated_elements, TooLarge, "more elements"),
    "a sequence that never ends": (
        with_extra(element(0x00081140, b"SQ", b"", 0xFFFFFFFF)),
        UnreadableDicom,
        "",
    ),
    "a value of 2 GB in 3 KB": (
        with_extra(element(0x00081155, b"UN", b"", 2**31)),
        UnknownView,
        "",
    ),
    # transfer syntax
    "no transfer syntax": (transfer_syntax(b""), UnsupportedSyntax, "none stated"),
    "unknown transfer syntax": (transfer_syntax(b"1.2.3.4.5"), UnsupportedSyntax, "unknown"),
    "transfer syntax that is a path": (transfer_syntax(b"../../etc/x"), UnsupportedSyntax, ""),
    "video": (transfer_syntax(b"1.2.840.10008.1.2.4.102"), UnsupportedSyntax, "MPEG"),
    "JPIP reference": (transfer_syntax(b"1.2.840.10008.1.2.4.94"), UnsupportedSyntax, "JPIP"),
    "little endian said to be big": (transfer_syntax(b"1.2.840.10008.1.2.2"), ExamError, ""),
    "said to be deflated": (transfer_syntax(b"1.2.840.10008.1.2.1.99"), UnreadableDicom, ""),
    "deflate bomb of 200 MB": (deflated(200 * 2**20), TooLarge, "inflate beyond"),
    "deflated and cut": (deflated(2**20, keep=0.3), ExamError, ""),
    # image size and depth
    "65535 x 65535 pixels in 3 KB": (good(Rows=65535, Columns=65535), TooLarge, "65535 x 65535"),
    "60000 x 60000 pixels in 3 KB": (good(Rows=60000, Columns=60000), TooLarge, "60000 x 60000"),
    "no Rows": (without("Rows"), PixelError, "no image size"),
    "zero Rows": (good(Rows=0), PixelError, "no image size"),
    "Rows without a value": (with_value(ROWS, b""), PixelError, "no image size"),
    "more rows than pixels": (good(Rows=41), PixelError, "truncated"),
    "32 bits allocated": (good(BitsAllocated=32, BitsStored=32, HighBit=31), PixelError, ""),
    "12 bits allocated": (good(BitsAllocated=12), PixelError, "BitsAllocated"),
    "more bits stored than allocated": (good(BitsStored=20), PixelError, "BitsStored"),
    "no bits stored": (good(BitsStored=0), PixelError, "BitsStored"),
    "no BitsAllocated": (without("BitsAllocated"), PixelError, "BitsAllocated"),
    "RGB": (colour, PixelError, "grey"),
    "palette colour": (
        good(PhotometricInterpretation="PALETTE COLOR"),
        PixelError,
        "PhotometricInterpretation",
    ),
    "float pixel data": (
        lambda folder: bytes(cut_at(PIXELS)(folder)) + element(0x7FE00008, b"OF", bytes(5120)),
        PixelError,
        "no PixelData",
    ),
    "two frames": (good(NumberOfFrames=2), NoImages, "tomosynthesis"),
    # view
    "no laterality": (without("ImageLaterality"), UnknownView, "ImageLaterality"),
    "laterality that is neither": (good(ImageLaterality="X"), UnknownView, "ImageLaterality"),
    "no view": (without("ViewPosition", "ViewCodeSequence"), UnknownView, "ViewCodeSequence"),
    # compressed pixel data
    "JPEG that claims 65535 x 65535": (
        frame(LOSSLESS, claimed_size(65535, 65535, b"\xff\xc3")),
        PixelError,
        "",
    ),
    "JPEG of another size": (
        frame(LOSSLESS, claimed_size(20, 32, b"\xff\xc3")),
        PixelError,
        "its header says 40 x 32",
    ),
    "JPEG-LS that claims 65535 x 65535": (
        frame(f.JPEG_LS, claimed_size(65535, 65535, b"\xff\xf7")),
        PixelError,
        "",
    ),
    "JPEG 2000 that claims 65535 x 65535": (
        frame(f.JPEG_2000, claimed_siz(65535, 65535)),
        PixelError,
        "",
    ),
    "JPEG 2000 that claims 4 billion rows": (
        frame(f.JPEG_2000, claimed_siz(2**32 - 1, 32)),
        PixelError,
        "",
    ),
    "HTJ2K that claims 65535 x 65535": (frame(f.HTJ2K, claimed_siz(65535, 65535)), PixelError, ""),
    "RLE with 15 segments": (
        frame(f.RLE, lambda s: struct.pack("<I", 15) + s[4:]),
        PixelError,
        "rle",
    ),
    "RLE with an offset beyond its end": (
        frame(f.RLE, lambda s: s[:8] + struct.pack("<I", 2**31) + s[12:]),
        PixelError,
        "",
    ),
    "RLE that stops early": (frame(f.RLE, lambda s: s[: len(s) // 2]), PixelError, "rle"),
    "deflated frame of another size": (
        frame(f.DEFLATED_FRAME, lambda s: f.ENCODERS[f.DEFLATED_FRAME](np.zeros(9, "u2"), 12)),
        PixelError,
        "deflate",
    ),
    "random bytes as JPEG": (frame(LOSSLESS, lambda s: JUNK), PixelError, "jpeg"),
    "random bytes as JPEG 2000": (frame(f.JPEG_2000, lambda s: JUNK), PixelError, "jpeg 2000"),
    "random bytes as JPEG-LS": (frame(f.JPEG_LS, lambda s: JUNK), PixelError, "jpeg-ls"),
    "JPEG 2000 header alone": (frame(f.JPEG_2000, lambda s: s[:60]), PixelError, "jpeg 2000"),
    # The codec may take longer than the limit to refuse it.
    "JPEG-LS cut in half": (frame(f.JPEG_LS, lambda s: s[: len(s) // 2]), PixelError, ""),
    "JPEG in colour": (
        frame(f.JPEG_8, lambda s: f.ENCODERS[f.JPEG_8](np.zeros((40, 32, 3), np.uint8), 8)),
        PixelError,
        "colour",
    ),
    "no fragments": (fragments(f.JPEG_2000, [b""]), PixelError, ""),
    "an empty fragment": (fragments(f.JPEG_2000, [b"", b""]), PixelError, ""),
    "20,000 empty fragments": (fragments(f.JPEG_2000, [b""] * 20_000), PixelError, ""),
    "no sequence delimiter": (
        fragments(f.JPEG_2000, [b"", JUNK], end=b""),
        PixelError,
        "truncated",
    ),
    "a fragment longer than the file": (
        fragments(f.JPEG_2000, [b""], end=b"\xfe\xff\x00\xe0" + struct.pack("<I", 2**31)),
        PixelError,
        "truncated",
    ),
    "a tag that is no item": (
        fragments(f.JPEG_2000, [b""], end=b"\x10\x00\x10\x00\x02\0\0\0ab"),
        PixelError,
        "truncated",
    ),
    "native pixels said to be compressed": (
        transfer_syntax(b"1.2.840.10008.1.2.4.90"),
        PixelError,
        "",
    ),
}

FLAGGED = {
    "Windows program in front": (preamble(b"MZ\x90\0"), "looks like an executable"),
    "Linux program in front": (preamble(b"\x7fELF"), "looks like an executable"),
    "script in front": (preamble(b"#!/bin/sh\n"), "looks like an executable"),
    "burned-in annotation": (good(BurnedInAnnotation="YES"), "burned-in annotation"),
    "code and word of the view disagree": (good(ViewPosition="MLO"), "disagree"),
    "sides disagree": (good(ViewPosition="RCC"), "disagree"),
    "window width zero": (good(WindowWidth=0), "WindowWidth is out of range"),
    "window that is no number": (with_value(0x00281050, b"abc "), "not a number"),
    "infinite window": (with_value(0x00281050, b"1e400 "), "not a number"),
    "VOI table of the wrong length": (good(VOILUTSequence=[lut_of(99, 3, 12)]), "wrong length"),
    "VOI table of 99 bits": (good(VOILUTSequence=[lut_of(3, 3, 99)]), "wrong length"),
    "VOI table without values": (good(VOILUTSequence=[Dataset()]), "cannot be read"),
    "thickness of 4 km": (good(BodyPartThickness="4e6"), "implausible"),
    "force that is a name": (with_value(0x001811A2, b"JANE"), "CompressionForce: not a number"),
    "no spacing": (without("ImagerPixelSpacing"), "pixel spacing unknown"),
    "spacing of zero": (good(ImagerPixelSpacing=["0", "0"]), "pixel spacing unknown"),
}

READ = {
    "no Modality and no SOPClassUID": without("Modality", "SOPClassUID"),
    "unknown value representation": with_extra(element(0x00181030, b"ZZ", b"text")),
    "a value of odd length": with_value(PATIENT_NAME, b"abc"),
    "unknown character set": good(SpecificCharacterSet="ISO_IR 999"),
    "text that its character set has not": with_value(PATIENT_NAME, b"\xff\xfe\xfa\xfb"),
    "dates in the year 0": good(StudyDate="00000000", AcquisitionDate="00000000"),
    "dates that are words": with_value(0x00080020, b"tomorrow"),
    "30,000 private elements": with_extra(elements(30_000), PATIENT_NAME),
    "deflated without a group length": deflated_without_group_length,
    "elements out of order": with_extra(element(0x00080050, b"SH", b"ab"), PIXELS),
    "an element twice": with_extra(element(ROWS, b"US", struct.pack("<H", 40)), BITS_ALLOCATED),
    "no file meta information": no_meta,
    "wrong length of the file meta information": with_value(0x00020000, struct.pack("<I", 9)),
    "TIFF in front": preamble(b"II*\0"),
    "an image made from itself": self_reference,
    "frames that are no number": with_extra(element(0x00280008, b"IS", b"many"), ROWS),
    "an item longer than the file": with_extra(
        element(0x00081140, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, 2**31))
    ),
    "zero frames": good(NumberOfFrames=0),
    "signed with a value of 7": good(PixelRepresentation=7),
    "high bit of 200": good(HighBit=200),
    "padding in the wrong form": with_extra(
        element(0x00280120, b"UL", struct.pack("<I", 2**31)), 0x00281050
    ),
    "slope of zero": good(RescaleSlope="0"),
    "ages of de-identification": good(PatientAge="000Y"),
    "sequences 12 deep": with_extra(nested(12, undefined=True)),
    "pixel data longer than needed": lambda folder: good(Rows=39)(folder),
}


@pytest.mark.parametrize(("make", "error", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(tmp_path: Path, make: Make, error: type[ExamError], words: str) -> None:
    (tmp_path / "x.dcm").write_bytes(make(tmp_path))
    with pytest.raises(error, match=re.escape(words) or None) as caught:
        read_and_load(tmp_path)
    assert isinstance(caught.value, ExamError)
    assert "x.dcm" not in str(caught.value)
    assert caught.value.source in ("x.dcm", None)


@pytest.mark.parametrize(("make", "words"), FLAGGED.values(), ids=FLAGGED.keys())
def test_flagged(tmp_path: Path, make: Make, words: str) -> None:
    (tmp_path / "x.dcm").write_bytes(make(tmp_path))
    assert words in told(read_and_load(tmp_path))


@pytest.mark.parametrize("make", READ.values(), ids=READ.keys())
def test_read(tmp_path: Path, make: Make) -> None:
    (tmp_path / "x.dcm").write_bytes(make(tmp_path))
    exam = read_and_load(tmp_path)
    assert list(exam.views) == ["L-CC"]
    assert exam.age_years is None
