"""What may cross the pipe between the judge and a submission, and nothing else. Never pickle.

A frame is two lengths, a msgpack structure, and the raw bytes of its arrays in order. Values are None, bool,
int, float, str, bytes, lists, dicts with str keys, numpy arrays of numbers or truth values, and references
to objects that stay with the submission. The structure is limited apart from the arrays, because a byte of
msgpack can cost the reader sixty bytes of memory, and a byte of an array only one.

Format: https://github.com/msgpack/msgpack/blob/master/spec.md.
"""

import math
import struct
from typing import IO, Any

import msgpack
import numpy as np

from labkit.workspace import Reference

MAX_STRUCTURE = 4 * 2**20
MAX_ARRAYS = 256 * 2**20
MAX_DEPTH = 20  # the workspace refers to what lies deeper than 16, and a request wraps that in four
MAX_DIMENSIONS = 8
DTYPES = {
    np.dtype(kind).str: np.dtype(kind)
    for kind in ("?", "i1", "<i2", "<i4", "<i8", "u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8")
}

_HEADER = struct.Struct(">II")
_ARRAY, _REFERENCE, _BYTES = 1, 2, 3


class CodecError(ValueError):
    """A value that must not be sent, or bytes that are no valid frame."""


def encode(value: Any) -> bytes:
    """Return ``value`` as one frame.

    Raises
    ------
    CodecError
        If it holds anything that may not cross, is nested too deep, or is too large.
    """
    chunks: list[bytes] = []
    try:
        structure = msgpack.packb(_pack(value, chunks, 0), strict_types=True)
    except (OverflowError, UnicodeEncodeError) as error:
        raise CodecError(f"cannot be sent: {error}") from None
    size = sum(map(len, chunks))
    if len(structure) > MAX_STRUCTURE or size > MAX_ARRAYS:
        raise CodecError(
            f"too large to send: {len(structure):,} bytes of structure and {size:,} bytes of arrays, "
            f"at most {MAX_STRUCTURE:,} and {MAX_ARRAYS:,} are allowed"
        )
    return b"".join([_HEADER.pack(len(structure), size), structure, *chunks])


def decode(structure: bytes, arrays: bytes) -> Any:
    """Return the value of a frame's two parts.

    Raises
    ------
    CodecError
        If the bytes are not what :func:`encode` writes.
    """
    cursor = 0

    def take(size: int) -> memoryview:
        nonlocal cursor
        cursor += size
        if size < 0 or cursor > len(arrays):
            raise CodecError("an array is longer than its frame")
        return memoryview(arrays)[cursor - size : cursor]

    def extension(code: int, data: bytes) -> Any:
        content = msgpack.unpackb(data)
        if code == _REFERENCE and type(content) is int:
            return Reference(content)
        if code == _BYTES and type(content) is int:
            return bytes(take(content))
        if code == _ARRAY:
            dtype, shape = content
            count = math.prod(_dimensions(shape))
            return np.frombuffer(take(count * DTYPES[dtype].itemsize), DTYPES[dtype]).reshape(shape).copy()
        raise CodecError(f"unknown extension {code}")

    try:
        value = msgpack.unpackb(structure, ext_hook=extension, use_list=True)
        _verify(value, 0)
    except CodecError:
        raise
    except Exception as error:  # msgpack and numpy raise many kinds for bytes that are not theirs
        raise CodecError(f"not a valid frame: {type(error).__name__}: {error}") from None
    if cursor != len(arrays):
        raise CodecError(f"{len(arrays) - cursor} bytes belong to no array")
    return value


def write_frame(stream: IO[bytes], value: Any) -> None:
    """Send one value."""
    stream.write(encode(value))
    stream.flush()


def read_frame(stream: IO[bytes]) -> Any:
    """Receive one value.

    Raises
    ------
    EOFError
        If the stream ends.
    CodecError
        If what arrives is no valid frame; the stream cannot be used any further then.
    """
    structure, arrays = _HEADER.unpack(_read(stream, _HEADER.size))
    if structure > MAX_STRUCTURE or arrays > MAX_ARRAYS:
        raise CodecError(f"a frame of {structure + arrays:,} bytes is too large")
    return decode(_read(stream, structure), _read(stream, arrays))


def _read(stream: IO[bytes], size: int) -> bytes:
    """Return exactly ``size`` bytes."""
    data = stream.read(size)
    if data is None or len(data) < size:
        raise EOFError("the other side closed the pipe")
    return data


def _pack(value: Any, chunks: list[bytes], depth: int) -> Any:
    """Return what msgpack shall write for ``value``; bytes of arrays are appended to ``chunks``."""
    kind = type(value)
    if depth > MAX_DEPTH:
        raise CodecError(f"nested deeper than {MAX_DEPTH} levels")
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is list:
        return [_pack(item, chunks, depth + 1) for item in value]
    if kind is dict and all(type(key) is str for key in value):
        return {key: _pack(item, chunks, depth + 1) for key, item in value.items()}
    if kind is bytes:
        chunks.append(value)
        return msgpack.ExtType(_BYTES, msgpack.packb(len(value)))
    if kind is Reference:
        return msgpack.ExtType(_REFERENCE, msgpack.packb(value.number))
    if kind is np.ndarray:
        dtype = value.dtype.newbyteorder("<").str
        if dtype not in DTYPES or value.ndim > MAX_DIMENSIONS:
            raise CodecError(f"arrays of dtype {value.dtype} with {value.ndim} dimensions must not be sent")
        chunks.append(value.astype(dtype, copy=False).tobytes())
        return msgpack.ExtType(_ARRAY, msgpack.packb([dtype, list(value.shape)]))
    raise CodecError(f"a {kind.__module__}.{kind.__qualname__} must not be sent")


def _dimensions(shape: Any) -> list[int]:
    """Return a received shape when it is one."""
    if (
        type(shape) is not list
        or len(shape) > MAX_DIMENSIONS
        or any(type(n) is not int or n < 0 for n in shape)
    ):
        raise CodecError("an array's shape is no list of sizes")
    return shape


def _verify(value: Any, depth: int) -> None:
    """Refuse types that msgpack knows and this protocol does not: other keys, timestamps, inline bytes."""
    kind = type(value)
    if depth > MAX_DEPTH:
        raise CodecError(f"nested deeper than {MAX_DEPTH} levels")
    if kind is list:
        for item in value:
            _verify(item, depth + 1)
    elif kind is dict:
        if any(type(key) is not str for key in value):
            raise CodecError("a key is no str")
        for item in value.values():
            _verify(item, depth + 1)
    elif kind is bytes:
        return  # only the extension makes bytes: unpackb reads inline ones as bytes too, which is as harmless
    elif value is not None and kind not in (bool, int, float, str, Reference, np.ndarray):
        raise CodecError(f"a {kind.__qualname__} must not be sent")
