"""Only plain data crosses the pipe, unchanged; anything else is refused on both sides."""

import datetime
import io
import re
import struct

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.worker import codec
from autograder.worker.codec import CodecError, decode, encode, read_frame, write_frame
from labkit.workspace import Reference

DTYPES = st.sampled_from(list(codec.DTYPES))
ARRAYS = DTYPES.flatmap(
    lambda d: hnp.arrays(np.dtype(d), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0))
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(codec="utf-8"))
    | st.binary()
    | st.builds(Reference, st.integers(0, 2**40))
    | ARRAYS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


def there_and_back(value):
    stream = io.BytesIO()
    write_frame(stream, value)
    stream.seek(0)
    return read_frame(stream)


def same(one, other) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return one == other or (one != one and other != other)


@given(VALUES)
def test_plain_data_arrives_unchanged(value):
    assert same(there_and_back(value), value)


@given(ARRAYS)
def test_arrays_arrive_writable_and_alone(array):
    arrived = there_and_back([array, array])
    assert all(a.flags.writeable and a.flags.owndata is not None for a in arrived)
    if array.size:
        arrived[0].fill(0)
        assert same(arrived[1], array)


def test_other_byte_orders_and_layouts_arrive_as_values():
    array = np.arange(12, dtype=">f4").reshape(3, 4).T
    np.testing.assert_array_equal(there_and_back(array), array)
    assert there_and_back(array).dtype == np.float32


class Text(str):
    pass


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        {1: 2},
        {1, 2},
        object(),
        2**64,
        1j,
        Text("a"),
        np.float64(1),
        np.array(["a"]),
        np.array([object()]),
        np.array([1j]),
        np.array(["2026-01-01"], dtype="M8[D]"),
        np.zeros(2, dtype=[("a", "f4")]),
        np.ma.masked_array([1.0], mask=[True]),
        np.zeros((1,) * 9),
        "\ud800",
        datetime.date(2026, 1, 1),
        ValueError("x"),
    ],
    ids=lambda value: re.sub(r" at 0x\w+", "", repr(value)),
)
def test_anything_else_is_not_sent(value):
    with pytest.raises(CodecError):
        encode([value])


def test_nesting_and_size_are_limited(monkeypatch):
    deep = []
    for _ in range(codec.MAX_DEPTH + 1):
        deep = [deep]
    with pytest.raises(CodecError, match="nested"):
        encode(deep)
    with pytest.raises(CodecError, match="too large"):
        encode("x" * (codec.MAX_STRUCTURE + 1))
    monkeypatch.setattr(codec, "MAX_ARRAYS", 100)
    with pytest.raises(CodecError, match="too large"):
        encode(np.zeros(101, dtype="u1"))


def ext(code: int, content) -> msgpack.ExtType:
    return msgpack.ExtType(code, msgpack.packb(content))


@pytest.mark.parametrize(
    ("structure", "arrays"),
    [
        (ext(1, ["<f8", [2]]), b"\0" * 15),  # an array longer than what came
        (ext(1, ["<f8", [2]]), b"\0" * 17),  # bytes that belong to nothing
        (ext(1, ["<f8", [-1]]), b""),
        (ext(1, ["<f8", [2**40, 2**40]]), b""),
        (ext(1, ["<f8", [2**62, 2**62, 0, 3]]), b""),
        (ext(1, ["<f8", 2]), b"\0" * 16),
        (ext(1, ["<f8", [True]]), b"\0" * 8),
        (ext(1, ["O", [1]]), b"\0" * 8),
        (ext(1, ["|S8", [1]]), b"\0" * 8),
        (ext(1, "<f8"), b""),
        (ext(2, "1"), b""),
        (ext(2, [1]), b""),
        (ext(3, -1), b""),
        (ext(9, 1), b""),
        (msgpack.ExtType(1, b"\xc1"), b""),
        (msgpack.Timestamp(1), b""),
        ({1: 2}, b""),
        ({b"a": 2}, b""),
    ],
    ids=lambda value: re.sub(r" at 0x\w+", "", repr(value)),
)
def test_what_encode_would_not_write_is_not_read(structure, arrays):
    with pytest.raises(CodecError):
        decode(msgpack.packb(structure), arrays)


@pytest.mark.parametrize(
    "structure", [b"", b"\x91" * 1000 + b"\xc0", b"\x91" * 30 + b"\xc0", b"\xdd\xff\xff\xff\xff", b"\xc0\xc0"]
)
def test_malformed_structures_are_refused(structure):
    with pytest.raises(CodecError):
        decode(structure, b"")


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_random_bytes_never_do_anything_but_fail_or_give_plain_data(structure, arrays):
    try:
        value = decode(structure, arrays)
    except CodecError:
        return
    assert same(there_and_back(value), value)


@given(VALUES, st.data())
def test_a_cut_frame_is_the_end_of_the_stream(value, data):
    frame = encode(value)
    cut = data.draw(st.integers(0, len(frame) - 1))
    with pytest.raises(EOFError):
        read_frame(io.BytesIO(frame[:cut]))


def test_absurd_lengths_are_refused_before_anything_is_read():
    for header in (
        struct.pack(">II", codec.MAX_STRUCTURE + 1, 0),
        struct.pack(">II", 0, codec.MAX_ARRAYS + 1),
    ):
        with pytest.raises(CodecError, match="too large"):
            read_frame(io.BytesIO(header))
