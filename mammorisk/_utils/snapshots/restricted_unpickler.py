"""Restricted unpickler for snapshots of torch; it runs no code of the snapshot.

Classes become stubs that only store attributes. A name that is not on the list of allowed names is
refused before it is imported. No other module reads pickles.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

#: Magic number of the file format of torch before version 1.6.
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
#: Largest member of an archive, and of all arrays together.
MAX_BYTES = 2 * 2**30
_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "|b1",
}
#: Real classes that a snapshot may use. All of them hold plain data.
_PLAIN: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    **{
        f"{module}.{name}": kind
        for module in ("builtins", "__builtin__")
        for name, kind in {
            "set": set,
            "frozenset": frozenset,
            "list": list,
            "dict": dict,
            "tuple": tuple,
            "int": int,
            # Names of Python 2, which pickle protocol 2 writes for int and str.
            "long": int,
            "unicode": str,
            "float": float,
            "str": str,
            "bool": bool,
            "complex": complex,
            "bytes": bytes,
            "bytearray": bytearray,
            "range": range,
            "xrange": range,
        }.items()
    },
}
#: Packages whose classes become stubs. Their functions are never called.
_STUBBED = ("onconet.", "torch.nn.", "sklearn.", "omegaconf.")
#: Further classes that become stubs.
_ALSO_STUBBED = ("argparse.Namespace", "typing.Any")


class RefusedName(Exception):
    """The snapshot uses a name that is not allowed."""


class Damaged(Exception):
    """The file is not a snapshot, or is truncated."""


class Stub:
    """Stand-in for an object of the snapshot: the name of its class, and its attributes."""

    path = ""

    def __new__(cls, *_: object, **__: object) -> Stub:
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        # Arguments of constructors are ignored.
        return

    def __setstate__(self, state: object) -> None:
        attributes: dict[str, Any] = {}
        # Objects with slots are pickled as a pair.
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                attributes |= {str(k): v for k, v in part.items()}
        self.__dict__.update(attributes)


@dataclass
class _Storage:
    """Storage of tensors, a one-dimensional array. Its values are read after the pickle."""

    dtype: str
    count: int
    values: np.ndarray | None = None
    #: Reads the bytes at first use, so that the state of an optimiser is not read for its weights.
    read: Callable[[], bytes] | None = None

    def numbers(self) -> np.ndarray:
        if self.values is None and self.read is not None:
            try:
                self.fill(self.read())
            except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
                raise Damaged(f"a tensor cannot be read ({type(error).__name__})") from None
        if self.values is None:
            raise Damaged("a tensor has no data")
        return self.values

    def fill(self, data: bytes) -> None:
        if len(data) < self.count * np.dtype(self.dtype).itemsize:
            raise Damaged("the file is truncated")
        self.values = np.frombuffer(data, dtype=self.dtype, count=self.count)


@dataclass
class _Part:
    """Consecutive elements of a storage."""

    whole: _Storage
    start: int
    count: int

    def numbers(self) -> np.ndarray:
        found = self.whole.numbers()[self.start : self.start + self.count]
        if self.start < 0 or len(found) != self.count:
            raise Damaged("a part extends beyond its storage")
        return found


@dataclass
class _StorageType:
    name: str


@dataclass
class Tensor:
    """View of a storage with a shape and strides."""

    storage: _Storage | _Part
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self) -> np.ndarray:
        """Return a copy of the elements as an array.

        Raises
        ------
        Damaged
            The tensor extends beyond its storage.
        """
        values = self.storage.numbers()
        size, stride = self.size, self.stride
        if len(size) != len(stride) or min((*size, *stride, self.offset), default=0) < 0:
            raise Damaged("a tensor has an invalid shape")
        last = self.offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if 0 not in size and not 0 <= last < len(values):
            raise Damaged("a tensor extends beyond its storage")
        item = values.itemsize
        view = np.lib.stride_tricks.as_strided(
            values[self.offset :], size, tuple(step * item for step in stride)
        )
        return np.array(view)


@dataclass
class _Found:
    names: set[str] = field(default_factory=set)


def _rebuild_tensor(
    storage: _Storage | _Part,
    offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    *_: object,
) -> Tensor:
    return Tensor(storage, int(offset), tuple(map(int, size)), tuple(map(int, stride)))


def _rebuild_parameter(data: object, *_: object) -> object:
    return data


def _reconstruct(kind: type, *_: object) -> Stub:
    """Replacement of ``copyreg._reconstructor`` that creates only stubs."""
    if not (isinstance(kind, type) and issubclass(kind, Stub)):
        raise RefusedName("copyreg._reconstructor with a class that is not a stub")
    return kind()


def _bytes_of(text: str, encoding: str = "latin1") -> bytes:
    """Replacement of ``_codecs.encode``, by which pickle protocol 2 encodes bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise RefusedName("_codecs.encode with other data than bytes")
    return text.encode("latin1")


def _nothing(*_: object) -> None:
    """Replacement of functions whose results prediction does not need."""
    return


def _plain_dict(*_: object) -> dict[Any, Any]:
    """Replacement of ``defaultdict``, without the default."""
    return {}


def _numpy_names() -> dict[str, Any]:
    """Names for scalars and arrays of numbers. Arrays of objects are refused when they are used."""
    from numpy._core import multiarray

    found: dict[str, Any] = {"numpy.dtype": np.dtype, "numpy.ndarray": np.ndarray}
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        found[f"{module}.scalar"] = multiarray.scalar
        found[f"{module}._reconstruct"] = multiarray._reconstruct
    return found


_FUNCTIONS: dict[str, Any] = {
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "copyreg._reconstructor": _reconstruct,
    "copy_reg._reconstructor": _reconstruct,
    # These are in the published snapshots: names of torch up to 1.2, of wrapped models and of
    # numpy arrays.
    "torch.nn.parameter.Parameter": _rebuild_parameter,
    "torch.nn.backends.thnn._get_thnn_function_backend": _nothing,
    "torch.device": _nothing,
    "collections.defaultdict": _plain_dict,
    "_codecs.encode": _bytes_of,
    **_numpy_names(),
}


class _Reader(pickle.Unpickler):
    """Unpickler that creates only plain data, tensors and stubs."""

    def __init__(self, file: BinaryIO, storages: _Storages, found: _Found) -> None:
        super().__init__(file, encoding="latin1")
        self._storages, self._found = storages, found
        self._stubs: dict[str, type[Stub]] = {}

    def find_class(self, module: str, name: str) -> Any:
        path = f"{module}.{name}"
        if path in _PLAIN:
            return _PLAIN[path]
        if path in _FUNCTIONS:
            return _FUNCTIONS[path]
        if path in ("builtins.object", "__builtin__.object"):
            return object
        if module == "torch" and name in _DTYPES:
            return _StorageType(name)
        # isidentifier excludes names with dots, which would reach other objects of a module.
        is_class = name.isidentifier() and name.lstrip("_")[:1].isupper()
        if path in _ALSO_STUBBED or (is_class and path.startswith(_STUBBED)):
            self._found.names.add(path)
            if path not in self._stubs:
                self._stubs[path] = type(name, (Stub,), {"path": path})
            return self._stubs[path]
        raise RefusedName(path)

    def persistent_load(self, pid: Any) -> Any:
        kind = pid[0].decode() if isinstance(pid[0], bytes) else pid[0]
        if kind == "module":
            # (class, source file, source text) of a pickled module: only the class is needed.
            return pid[1]
        if kind == "storage":
            return self._storages.get(pid[1:])
        raise RefusedName(f"persistent object of kind {kind!r}")


class _Storages:
    """Storages of a snapshot, by key."""

    def __init__(self) -> None:
        self.by_key: dict[str, _Storage] = {}

    def get(self, description: tuple[Any, ...]) -> _Storage | _Part:
        """Return a storage or a part by its description: type, key, device, count, part."""
        kind, key, _, count = description[:4]
        if not isinstance(kind, _StorageType):
            raise RefusedName("a storage of an unknown kind")
        dtype = _DTYPES[kind.name]
        if not 0 <= int(count) * np.dtype(dtype).itemsize <= MAX_BYTES:
            raise Damaged("a storage is larger than any snapshot")
        found = self.by_key.setdefault(str(key), _Storage(dtype, int(count)))
        if found.dtype != dtype:
            raise Damaged("a storage has two types")
        if len(description) > 4 and description[4] is not None:
            _, start, size = description[4]
            return _Part(found, int(start), int(size))
        return found

    def fill(self, key: str, data: bytes) -> None:
        storage = self.by_key.get(key)
        if storage is not None:
            storage.fill(data)


def read_snapshot(path: Path) -> tuple[Any, set[str]]:
    """Return the object of a snapshot, made of stubs and tensors, and the names of its classes.

    Raises
    ------
    RefusedName, Damaged
    """
    if path.stat().st_size > MAX_BYTES:
        raise Damaged("the file is larger than any snapshot")
    found = _Found()
    try:
        with path.open("rb") as file:
            if zipfile.is_zipfile(file):
                return _read_zip(path, found), found.names
            file.seek(0)
            return _read_stream(file, found), found.names
    except (
        *(pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError),
        *(ValueError, TypeError, struct.error, zipfile.BadZipFile, OverflowError),
    ) as error:
        raise Damaged(f"not a snapshot ({type(error).__name__})") from None


def _read_zip(path: Path, found: _Found) -> Any:
    """Read the zip format of torch 1.6 and later."""
    # Not closed here: storages are read when they are used.
    archive = zipfile.ZipFile(path)
    members = {info.filename: info for info in archive.infolist()}
    roots = [name for name in members if name.endswith("/data.pkl") or name == "data.pkl"]
    if len(roots) != 1:
        raise Damaged("no data.pkl in the archive")
    if sum(info.file_size for info in members.values()) > MAX_BYTES:
        raise Damaged("the unpacked archive is larger than any snapshot")
    root = roots[0].removesuffix("data.pkl")
    order = members.get(f"{root}byteorder")
    if order is not None and archive.read(order).strip() != b"little":
        raise Damaged("the byte order is not little-endian")
    storages = _Storages()
    whole = _Reader(io.BytesIO(archive.read(roots[0])), storages, found).load()
    for key, storage in storages.by_key.items():
        if f"{root}data/{key}" in members:
            storage.read = partial(archive.read, f"{root}data/{key}")
    return whole


def _read_stream(file: BinaryIO, found: _Found) -> Any:
    """Read the format of torch before 1.6, or a plain pickle without tensors."""
    storages = _Storages()
    first = _Reader(file, storages, found).load()
    if first != _LEGACY_MAGIC:
        return first
    for _ in range(2):
        # Version of the protocol, and properties of the machine that wrote the file.
        _Reader(file, storages, found).load()
    whole = _Reader(file, storages, found).load()
    keys = _Reader(file, storages, found).load()
    for key in keys:
        storage = storages.by_key.get(str(key))
        count = struct.unpack("<q", _exactly(file, 8))[0]
        if storage is None or count != storage.count:
            raise Damaged("a storage differs from its description")
        width = np.dtype(storage.dtype).itemsize
        storages.fill(str(key), _exactly(file, count * width))
    return whole


def _exactly(file: BinaryIO, size: int) -> bytes:
    if not 0 <= size <= MAX_BYTES:
        raise Damaged("a storage is larger than any snapshot")
    data = file.read(size)
    if len(data) != size:
        raise Damaged("the file is truncated")
    return data
