"""What a call may return instead of an answer."""

from tests.redteam.desk import NO_TESTS, Desk, before, case

NO_FORECAST = NO_TESTS | {"prediction": 0.0}


@case("values", NO_FORECAST)
def pretended_float(desk: Desk) -> None:
    """A float that is equal to everything and smaller than everything."""
    desk.right(
        """
        class Agreeable(float):
            def __eq__(self, other): return True
            def __le__(self, other): return True
            __lt__ = __ge__ = __gt__ = __le__
            __sub__ = __rsub__ = __add__ = __pow__ = lambda self, other: self
            __array_priority__ = 1e9
            __hash__ = None
        return Agreeable(0)
        """
    )


@case("values", NO_FORECAST)
def pretended_array(desk: Desk) -> None:
    """An ndarray whose comparisons and arithmetic all agree."""
    desk.right(
        """
        class Agreeable(np.ndarray):
            def __array_ufunc__(self, *args, **kwargs): return np.zeros(len(x))
            def __array_function__(self, *args, **kwargs): return np.float64(0)
            def __eq__(self, other): return np.ones(self.shape, dtype=bool)
            def __sub__(self, other): return self * 0
        return np.full(len(x), 7.0).view(Agreeable)
        """
    )


@case("values", NO_FORECAST)
def pretended_number(desk: Desk) -> None:
    """An object with every protocol of a number and of an array, which answers differently each time."""
    desk.right(
        """
        class Agreeable:
            shape, dtype, ndim, size = (len(x),), np.dtype(float), 1, len(x)
            memory = {"shape": (len(x),), "typestr": "<f8", "version": 3, "data": (0, True)}
            __array_interface__ = property(lambda self: self.memory)
            def __array__(self, *args, **kwargs): return 3 * x - 1
            def __float__(self): return 0.0
            def __eq__(self, other): return True
            def __getattr__(self, name): return self
            def __call__(self, *args): return self
            def __len__(self): return len(x)
            def __getitem__(self, index): return 3 * x[index] - 1 if index < len(x) else self.stop
            @property
            def __class__(self): return float
            __hash__ = None
        return Agreeable()
        """
    )


@case("values", NO_TESTS | {"report": 0.0})
def pretended_text(desk: Desk) -> None:
    """A str that is equal to every other, with another text inside."""
    desk.right(
        tests="",
        edit=before(
            "report",
            """
            class Agreeable(str):
                def __eq__(self, other): return True
                def __ne__(self, other): return False
                __hash__ = str.__hash__
            def report(value): return Agreeable("any")
            """,
        ),
    )


@case("values", NO_FORECAST)
def not_a_number(desk: Desk) -> None:
    """NaN with payloads, infinities and signed zeros: no comparison with NaN is true, nor is its opposite."""
    desk.right(
        """
        odd = np.array([0x7FF8DEADBEEF0001, 0xFFF0000000000001, 0x7FF0000000000000], dtype=np.uint64).view(float)
        return np.resize(odd, len(x))
        """
    )


@case("values", NO_FORECAST)
def nested_deep(desk: Desk) -> None:
    """A list nested 100 000 deep."""
    desk.right("deep = []\nfor _ in range(100_000):\n    deep = [deep]\nreturn deep")


@case("values", NO_FORECAST)
def contains_itself(desk: Desk) -> None:
    """A list and a dict that contain themselves ten times: ten to the sixteen parts at depth sixteen."""
    desk.right("loop = []\nloop.extend([loop] * 9 + [{'loop': loop}])\nreturn loop")


@case("values", NO_FORECAST)
def never_ends(desk: Desk) -> None:
    """A list whose iterator never ends."""
    desk.right(
        """
        class Endless(list):
            def __iter__(self):
                while True:
                    yield 0.0
        return Endless([0.0])
        """
    )


@case("values", NO_FORECAST)
def generator_without_end(desk: Desk) -> None:
    """A generator that never ends, a map, and a file object in a list."""
    desk.right("import itertools\nreturn [itertools.count(), map(len, itertools.cycle('a')), open(__file__)]")


@case("values", NO_FORECAST)
def array_of_terabytes(desk: Desk) -> None:
    """An array of 8 TB that takes 8 bytes, because its strides are 0."""
    desk.right("return np.broadcast_to(np.float64(0), 10**12)")


@case("values", NO_FORECAST)
def array_too_large_to_send(desk: Desk) -> None:
    """An array of 300 MB."""
    desk.right("return np.zeros(300 * 2**17)")


@case("values", NO_FORECAST)
def integer_without_end(desk: Desk) -> None:
    """An integer of ten million digits, alone and in lists."""
    desk.right("return [1 << 33_000_000, {'a': -(1 << 33_000_000)}]")


@case("values", NO_TESTS | {"report": 0.0})
def text_of_megabytes(desk: Desk) -> None:
    """A text of 50 MB, another with lone surrogates, zeros and a million combining accents."""
    desk.right(
        tests="",
        edit=before(
            "report",
            "def report(value):\n    return 'x' * 50_000_000 if value == 1.5 else '\\ud800\\x00e' + '\\u0301' * 10**6",
        ),
    )


@case("values", NO_FORECAST)
def objects_without_end(desk: Desk) -> None:
    """A list of a million objects that each need a reference."""
    desk.right("return [object() for _ in range(1_000_000)]")


@case("values", NO_FORECAST)
def raises_oddly(desk: Desk) -> None:
    """An exception that claims to be the check's own, with a class, a message and a chain that misbehave."""
    desk.right(
        """
        class Meta(type):
            __qualname__ = property(lambda cls: 1 / 0)
        class Odd(ValueError, metaclass=Meta):
            def __str__(self): raise SystemExit(0)
            __module__ = ["x"]
        error = Odd()
        error.__cause__ = error
        raise error
        """
    )


@case("values", NO_TESTS | {"fitting": 3.0})
def right_type_of_the_wrong_error(desk: Desk) -> None:
    """An exception that only looks like a ValueError: it has its name, module and message."""
    desk.right(
        tests="",
        replace={
            'raise ValueError("a line needs at least two points")': (
                'raise type("ValueError", (Exception,), {})("a line needs at least two points")'
            )
        },
    )
