"""Saved models: exact round trips, atomic replacement, refusal of everything that was altered."""

import json
import multiprocessing
import os
import signal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import itemmarket as im
from itemmarket.models import artefacts

ARRAYS = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "scale": np.array([0.5])}


def save(path, arrays=ARRAYS, **more):
    return im.save_artefact(path, class_name="Model", config={"hidden": [3]}, arrays=arrays, **more)


@given(
    arrays=st.dictionaries(
        st.text("abc.", min_size=1, max_size=5),
        hnp.arrays(
            st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]),
            hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        ),
        max_size=3,
    )
)
def test_round_trip_is_exact(tmp_path_factory, arrays):
    folder = save(tmp_path_factory.mktemp("artefact"), arrays)
    loaded = im.load_artefact(folder, class_name="Model")
    assert loaded.config == {"hidden": [3]}
    assert loaded.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        assert loaded.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded.arrays[name], array)


def test_the_manifest_tells_what_the_model_is(tmp_path):
    save(tmp_path, features=["a"], training_window=("2022-01-01", "2023-01-01"), metrics={"rmse": 0.5})
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["features"] == ["a"]
    assert manifest["training_window"] == ["2022-01-01", "2023-01-01"]
    assert manifest["metrics"] == {"rmse": 0.5}
    assert manifest["libraries"]["numpy"] == np.__version__


def test_non_contiguous_arrays_keep_their_values(tmp_path):
    array = np.arange(12.0).reshape(3, 4).T[::2]
    save(tmp_path, {"a": array})
    np.testing.assert_array_equal(im.load_artefact(tmp_path, class_name="Model").arrays["a"], array)


def test_saving_again_replaces_and_leaves_no_litter(tmp_path):
    save(tmp_path)
    save(tmp_path, {"weight": np.zeros(2)})
    assert list(im.load_artefact(tmp_path, class_name="Model").arrays) == ["weight"]
    assert len(list(tmp_path.iterdir())) == 2


def test_what_json_cannot_hold_is_refused_and_the_old_model_stays(tmp_path):
    save(tmp_path)
    with pytest.raises(im.ArtefactError, match="plain JSON"):
        save(tmp_path, metrics={"rmse": float("nan")})
    assert im.load_artefact(tmp_path, class_name="Model").manifest["metrics"] == {}


def edit_manifest(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def flip_a_byte(folder):
    weights = next(folder.glob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)


def forge_weights(folder, name="weights-0123456789abcdef.safetensors"):
    import hashlib

    (folder / name).write_bytes(b"no safetensors")
    edit_manifest(folder, files={name: hashlib.sha256(b"no safetensors").hexdigest()})


BROKEN = {
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "no readable manifest.json"),
    "no JSON": (lambda f: (f / "manifest.json").write_text("{"), "no JSON"),
    "not an object": (lambda f: (f / "manifest.json").write_text("[]"), "format_version"),
    "no files": (lambda f: edit_manifest(f, files=None), "'files'"),
    "other format": (lambda f: edit_manifest(f, format_version=99), "format 99"),
    "other class": (lambda f: edit_manifest(f, **{"class": "Other"}), "holds a Other"),
    "altered weights": (flip_a_byte, "altered"),
    "missing weights": (lambda f: next(f.glob("*.safetensors")).unlink(), "missing"),
    "path escape": (lambda f: edit_manifest(f, files={"../../etc/passwd": "0"}), "no weights file"),
    "no safetensors": (forge_weights, "no safetensors"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_artefacts_are_refused(tmp_path, case):
    save(tmp_path)
    breaking, message = BROKEN[case]
    breaking(tmp_path)
    with pytest.raises(im.ArtefactError, match=message):
        im.load_artefact(tmp_path, class_name="Model")


def save_for_ever(path):
    value = 0
    while True:
        value += 1
        save(path, {"a": np.full(20_000, value), "b": np.full(3, value)})


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill at a random moment")
def test_a_killed_save_leaves_a_whole_model(tmp_path):
    """Killed at ten moments while saving in a loop, the folder always holds one model, never a mixture."""
    for moment in range(10):
        process = multiprocessing.get_context("spawn").Process(target=save_for_ever, args=(tmp_path,))
        process.start()
        while not (tmp_path / artefacts.MANIFEST).exists():
            assert process.is_alive()
        process.join(0.01 * moment)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        arrays = im.load_artefact(tmp_path, class_name="Model").arrays
        assert set(arrays["a"]) == set(arrays["b"])
        assert len(set(arrays["a"])) == 1
