"""The example class: ten submissions of lab 1, derived from its solution by the slips that students make.

``course.py release`` writes them to ``examples/class`` and proves that they are up to date.
"""

import json
from collections.abc import Callable
from pathlib import Path

import jupytext

LAB = "lab1_mlp"
Files = dict[str, str]


def make_class(root: Path, released: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files of the example class by path.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    released : dict of str to bytes
        The released labs' files by path, as ``course.py release`` derives them.

    Returns
    -------
    dict of str to bytes
        ``examples/class/STUDENT/lab1_mlp/FILE`` and its content.
    """
    names = (f"{LAB}.ipynb", "mlp.py", "test_mlp.py")
    stub = {name: released[f"labs/{LAB}/{name}"].decode() for name in names}
    solution = solve(root / "solutions" / LAB, stub)
    variant = (root / "solutions" / LAB / "variants" / "data_loader.py").read_text(encoding="utf-8")
    files = {}
    for student, submission in submissions(stub, solution, variant).items():
        for name, text in submission.items():
            files[f"examples/class/{student}/{LAB}/{name}"] = text.encode()
    return files


def submissions(stub: Files, solution: Files, variant: str) -> dict[str, Files]:
    """Return each student's files; the comments say what the grader must make of them."""
    module, tests = solution["mlp.py"], solution["test_mlp.py"]
    chatty = replace_once(
        replace_once(module, "import numpy as np\n", "import warnings\n\nimport numpy as np\n"),
        "            self._train_epoch(inputs, targets, optimiser)\n",
        "            for _ in tqdm([epoch], desc='epoch'):\n"
        "                self._train_epoch(inputs, targets, optimiser)\n"
        "            warnings.warn(f'epoch {epoch} done', stacklevel=1)\n"
        "            print('epoch', epoch)\n",
    )
    chatty = replace_once(chatty, "from torch import nn\n", "from torch import nn\nfrom tqdm import tqdm\n")
    endless = replace_once(
        module,
        "        self.network.train()\n        for batch",
        "        while True:\n            pass\n        for batch",
    )
    partial = stub["mlp.py"][stub["mlp.py"].index("    def save(") :]
    return {
        "ada": solution,  # full marks
        "bela": stub,  # untouched: 0
        "chidi": solution | {"mlp.py": variant},  # another correct module: full marks on correctness
        "dora": solution | {"mlp.py": chatty},  # warnings, prints and a progress bar cost nothing
        "emil": solution  # neither saving, loading nor answers: exactly those points are missing
        | {
            "mlp.py": module[: module.index("    def save(")] + partial,
            "test_mlp.py": tests[: tests.index('@pytest.mark.parametrize("hidden"')].rstrip() + "\n",
            f"{LAB}.ipynb": without_answers(solution[f"{LAB}.ipynb"], stub[f"{LAB}.ipynb"]),
        },
        "fatima": solution  # one small test, which notices no planted bug: no points for tests
        | {
            "test_mlp.py": "from mlp import make_network\n\n\ndef test_network():\n    assert make_network(3)\n"
        },
        "goran": solution | {"mlp.py": endless},  # fit never stops: time limit, the others unharmed
        "hana": {".gitkeep": ""},  # an empty folder (git keeps none without a file)
        "ivan": solution | {f"{LAB}.ipynb": solution[f"{LAB}.ipynb"][:5000]},  # torn notebook, module graded
        "jun": solution
        | {f"{LAB}.ipynb": with_duplicates(solution[f"{LAB}.ipynb"])},  # graded as if unslipped
    }


def solve(folder: Path, stub: Files) -> Files:
    """Return the reference solution as a student would hand it in: without markers, in the released notebook."""
    source = {
        cell.metadata["nbgrader"]["grade_id"]: without_markers(cell.source)
        for cell in jupytext.read(folder / f"{LAB}.py").cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }

    def fill(cell: dict) -> None:
        if cell["id"] in source:
            cell["source"] = source[cell["id"]].splitlines(keepends=True)

    modules = {
        name: without_markers((folder / name).read_text(encoding="utf-8"))
        for name in ("mlp.py", "test_mlp.py")
    }
    return modules | {
        f"{LAB}.ipynb": edited(stub[f"{LAB}.ipynb"], lambda cells: [fill(c) or c for c in cells])
    }


def without_markers(text: str) -> str:
    """Return the text without the lines that mark solutions."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if line.strip() not in ("### BEGIN SOLUTION", "### END SOLUTION"))


def without_answers(notebook: str, stub: str) -> str:
    """Return the notebook with the cell of the answers as released."""
    untouched = {cell["id"]: cell for cell in json.loads(stub)["cells"]}
    return edited(
        notebook, lambda cells: [untouched[c["id"]] if c["id"] == "reading_code" else c for c in cells]
    )


def with_duplicates(notebook: str) -> str:
    """Return the notebook with a solution cell and a check cell pasted twice, ids and all."""
    twice = ("comparison_code", "scaling")
    return edited(notebook, lambda cells: [c for cell in cells for c in [cell] * (1 + (cell["id"] in twice))])


def edited(notebook: str, change: Callable[[list[dict]], list[dict]]) -> str:
    """Return the notebook with its cells changed, in the canonical form of derived notebooks."""
    content = json.loads(notebook)
    content["cells"] = change(content["cells"])
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def replace_once(text: str, old: str, new: str) -> str:
    """Replace ``old``, which must occur exactly once: a class that stopped being what it says is an error."""
    if text.count(old) != 1:
        raise ValueError(
            f"{old!r} occurs {text.count(old)} times in the solution: adapt examples/make_class.py"
        )
    return text.replace(old, new)
