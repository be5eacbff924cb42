"""Attacks on the pipe between the worker and the judge, and on what is behind it."""

from tests.redteam.desk import NO_TESTS, NOTHING, Desk, case

NO_FORECAST = NO_TESTS | {"prediction": 0.0}
FORECAST = "return self.slope * x + self.intercept"
WRITE = """
import os, struct
def write(data):
    for descriptor in range(3, 64):
        try:
            os.set_blocking(descriptor, False)
            os.write(descriptor, data)
        except OSError:
            continue
"""


def _written(frame: str) -> str:
    """Return the body of a ``predict`` that writes one frame to every descriptor and forecasts rightly."""
    return f"{WRITE}{frame}\n{FORECAST}"


@case("pipe", NOTHING, plain=False)
def codec_patched(desk: Desk) -> None:
    """Codec, workspace and worker are patched: everything that is asked for is answered by an agreeable object."""
    desk.stub(
        """
        class _Agreeable(dict):
            def __eq__(self, other): return True
            def __le__(self, other): return True
            def __getitem__(self, key): return self
            __hash__ = None
        def _patch():
            import sys
            import labkit.workspace as workspace
            worker, codec = sys.modules.get("__main__"), sys.modules.get("autograder.worker.codec")
            encode = codec.encode
            codec.CodecError = ArithmeticError
            codec.MAX_STRUCTURE = codec.MAX_ARRAYS = 10**12
            workspace.to_plain = lambda value, refer, depth=0: True
            two = {"type": "passed", "mro": ["builtins.ValueError"], "message": "two"}
            workspace.describe = lambda error, folder: two
            for module in (worker, codec, sys.modules.get("autograder.worker.serve")):
                if hasattr(module, "encode"):
                    module.encode = lambda answer: encode({"n": answer["n"], "value": True, "passed": True})
        try:
            _patch()
        except Exception as error:
            print(error)
        """
    )


@case("pipe", NO_FORECAST, plain=False)
def garbage_on_the_pipe(desk: Desk) -> None:
    """Random bytes are written to every descriptor."""
    desk.right(_written("write(bytes(range(256)) * 16)"))


@case("pipe", NO_FORECAST, plain=False)
def frame_of_gigabytes(desk: Desk) -> None:
    """A frame announces 8 GB."""
    desk.right(_written("write(struct.pack('>II', 0xFFFFFFFF, 0xFFFFFFFF))"))


@case("pipe", NO_FORECAST, plain=False)
def frame_that_never_ends(desk: Desk) -> None:
    """A frame announces 200 MB and one byte of it arrives, then another one each second."""
    desk.right(
        _written(
            "import time\nwrite(struct.pack('>II', 100, 200 * 2**20))\nfor _ in range(100):\n"
            "    write(b'x')\n    time.sleep(1)"
        )
    )


@case("pipe", NO_FORECAST, plain=False)
def frame_that_unfolds(desk: Desk) -> None:
    """A frame of 4 MB holds four million empty dicts; another one has lists nested a thousand deep."""
    desk.right(
        """
        import os, struct
        body = b"\\x82\\xa1n\\x01\\xa5value\\xdd\\x00\\x3f\\xff\\x00" + b"\\x80" * 0x3FFF00
        deep = b"\\x82\\xa1n\\x01\\xa5value" + b"\\x91" * 1000 + b"\\xc0"
        import threading
        def write(descriptor):
            for frame in (body, deep):
                try:
                    os.write(descriptor, struct.pack(">II", len(frame), 0) + frame)
                except OSError:
                    return
        threads = [threading.Thread(target=write, args=(n,), daemon=True) for n in range(3, 32)]
        for thread in threads: thread.start()
        for thread in threads: thread.join(1)
        os._exit(0)
        """
    )


@case("pipe", NO_FORECAST, plain=False)
def frame_with_odd_contents(desk: Desk) -> None:
    """Frames hold arrays of objects, of negative and of astronomical shape, timestamps, and unknown references."""
    desk.right(
        _written(
            "import msgpack\n"
            "odd = [['O', [1]], ['<f8', [-1]], ['<f8', [2**62] * 2], ['<f8', [0] * 40], ['|V8', [1]], [None, 1]]\n"
            "for array in odd:\n"
            "    body = msgpack.packb({'n': 1, 'value': msgpack.ExtType(1, msgpack.packb(array))})\n"
            "    write(struct.pack('>II', len(body), 8) + body + bytes(8))\n"
            "body = msgpack.packb({'n': 1, 'value': [msgpack.Timestamp(1), msgpack.ExtType(2, b'\\x07')]})\n"
            "write(struct.pack('>II', len(body), 0) + body)"
        )
    )


@case("pipe", NO_FORECAST, plain=False)
def answers_in_advance(desk: Desk) -> None:
    """The answers to the next thousand requests are written in advance."""
    desk.right(
        _written(
            "import msgpack\nfor n in range(1000):\n"
            "    body = msgpack.packb({'n': n, 'value': True})\n"
            "    write(struct.pack('>II', len(body), 0) + body)"
        ),
    )


@case("pipe", NO_FORECAST, plain=False)
def every_descriptor_closed(desk: Desk) -> None:
    """All descriptors are closed, and opened again on /dev/null."""
    desk.right(
        f"""
        import os
        os.closerange(0, 256)
        for _ in range(64):
            os.open("/dev/null", os.O_RDWR)
        {FORECAST}
        """
    )


@case("pipe", NO_TESTS, at_most=True, plain=False)
def requests_swallowed(desk: Desk) -> None:
    """Another thread reads the judge's requests from the pipe before the worker does, and answers none."""
    desk.right(
        f"""
        import os, threading, time
        def swallow(descriptor):
            try:
                os.set_blocking(descriptor, True)
                while os.read(descriptor, 1 << 20):
                    pass
            except OSError:
                return
        for descriptor in range(3, 32):
            threading.Thread(target=swallow, args=(descriptor,), daemon=True).start()
        time.sleep(0.2)
        {FORECAST}
        """,
    )
