"""The same classifier in the runtimes that a practitioner would compress it with: FOLDER.

Reads ``model/``, an artefact of lab 3 in 32 bits, and ``titles.json`` from the folder; torchao and ONNX Runtime are on
PYTHONPATH. Writes ``forms.json``: for each form its bytes, the median milliseconds of one title alone, on one thread,
and what it predicts.
"""

import copy
import json
import logging
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torchao.quantization import Int8DynamicActivationInt8WeightConfig, Int8WeightOnlyConfig, quantize_

from benchmarks._common import lab_modules
from itemmarket.evaluation.timing import milliseconds_alone

SINGLE = 200
TORCHAO = {
    "torchao, int8 weights": Int8WeightOnlyConfig,
    "torchao, int8 throughout": Int8DynamicActivationInt8WeightConfig,
}


class Logits(torch.nn.Module):
    """The network without the dictionary around its answer, which an export does not know."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the logits, shape (n, 4)."""
        return self.network(input_ids=input_ids, attention_mask=attention_mask).logits


class Session:
    """A file of ONNX in the place of a network."""

    def __init__(self, file: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def eval(self) -> "Session":
        """Do nothing: dropout was left out by the export."""
        return self

    def __call__(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        """Return the logits as the network does."""
        inputs = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
        (logits,) = self._session.run(None, inputs)
        return SimpleNamespace(logits=torch.from_numpy(logits))


def with_network(model: Any, network: object) -> Any:
    """Return the classifier with another network."""
    other = copy.copy(model)
    other.network_ = network
    return other


def in_torchao(model: Any, config: type) -> tuple[Any, int]:
    """Return the classifier with its linear layers in 8 bits, and its bytes: embeddings stay in 32."""
    other = with_network(model, copy.deepcopy(model.network_))
    quantize_(other.network_, config())
    return other, sum(map(n_bytes, other.network_.state_dict().values()))


def n_bytes(tensor: torch.Tensor) -> int:
    """Return the bytes of a tensor, or of the tensors that a quantised one is made of."""
    if not hasattr(tensor, "__tensor_flatten__"):
        return tensor.nbytes
    return sum(n_bytes(getattr(tensor, name)) for name in tensor.__tensor_flatten__()[0])


def export(rarity: Any, model: Any, titles: list[str], file: Path) -> None:
    """Write the network as ONNX, for any number of titles of any length."""
    example = rarity.pad(model._tokenise(titles[:2]))
    names = ["input_ids", "attention_mask"]
    rows, length = torch.export.Dim("rows"), torch.export.Dim("length")
    torch.onnx.export(
        Logits(model.network_).eval(),
        example,
        file,
        dynamo=True,
        external_data=False,
        dynamic_shapes={name: {0: rows, 1: length} for name in names},
        input_names=names,
        output_names=["logits"],
        verbose=False,
    )


def main(folder: Path) -> None:
    """Measure every form."""
    titles = json.loads((folder / "titles.json").read_text(encoding="utf-8"))
    torch.set_num_threads(1)
    with lab_modules("lab3_rarity") as modules:
        rarity = modules["rarity"]
        model = rarity.RarityClassifier.load(str(folder / "model"))
        forms = {name: in_torchao(model, config) for name, config in TORCHAO.items()}
        whole, small = folder / "whole.onnx", folder / "small.onnx"
        export(rarity, model, titles, whole)
        quantize_dynamic(whole, small, weight_type=QuantType.QInt8, per_channel=True)
        for name, file in {"ONNX Runtime, fp32": whole, "ONNX Runtime, int8": small}.items():
            forms[name] = with_network(model, Session(file)), file.stat().st_size
        found = {
            name: {
                "megabytes": size / 1e6,
                "milliseconds": milliseconds_alone(form, titles[:SINGLE]),
                "predicted": list(form.predict(titles)),
            }
            for name, (form, size) in forms.items()
        }
    (folder / "forms.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable()
    main(Path(sys.argv[1]))
