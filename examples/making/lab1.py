"""The example class in lab 1: ten submissions."""

from .material import Files, Material, replaced, with_duplicates, without_answer


def submissions(lab: Material) -> dict[str, Files]:
    """Return each student's files; the comments say what the grader must make of them."""
    module, tests, notebook = (lab.solution[name] for name in (lab.module, lab.tests, lab.notebook))
    chatty = replaced(
        module,
        ("import numpy as np\n", "import warnings\n\nimport numpy as np\n"),
        (
            "            self._train_epoch(inputs, targets, optimiser)\n",
            "            for _ in tqdm([epoch], desc='epoch'):\n"
            "                self._train_epoch(inputs, targets, optimiser)\n"
            "            warnings.warn(f'epoch {epoch} done', stacklevel=1)\n"
            "            print('epoch', epoch)\n",
        ),
        ("from torch import nn\n", "from torch import nn\nfrom tqdm import tqdm\n"),
    )
    endless = replaced(
        module,
        (
            "        self.network_.train()\n        for batch",
            "        while True:\n            pass\n        for batch",
        ),
    )
    partial = lab.stub[lab.module][lab.stub[lab.module].index("    def save(") :]
    return {
        "ada": lab.solution,  # full marks
        "bela": dict(lab.stub),  # untouched: 0
        "chidi": lab.solution
        | {lab.module: lab.variants["data_loader"]},  # another correct module: full marks
        "dora": lab.solution | {lab.module: chatty},  # warnings, prints and a progress bar cost nothing
        "emil": lab.solution  # neither saving, loading nor answers: exactly those points are missing
        | {
            lab.module: module[: module.index("    def save(")] + partial,
            lab.tests: tests[: tests.index('@pytest.mark.parametrize("hidden"')].rstrip() + "\n",
            lab.notebook: without_answer(notebook, lab.stub[lab.notebook], "reading_code"),
        },
        "fatima": lab.solution  # one small test, which notices no planted bug: no points for tests
        | {lab.tests: "from mlp import make_network\n\n\ndef test_network():\n    assert make_network(3)\n"},
        "goran": lab.solution | {lab.module: endless},  # fit never stops: time limit, the others unharmed
        "hana": {".gitkeep": ""},  # an empty folder (git keeps none without a file)
        "ivan": lab.solution | {lab.notebook: notebook[:5000]},  # torn notebook, module graded
        "jun": lab.solution  # graded as if unslipped
        | {lab.notebook: with_duplicates(notebook, "comparison_code", "scaling")},
    }
