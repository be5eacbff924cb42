"""Correct solutions of the labs in the styles that students have; each must get full marks."""

import ast
import re
from collections.abc import Callable

import nbformat
from nbformat import NotebookNode

from autograder.lab import Lab
from tests.fairness.submissions import Files, edited, with_cells

Style = Callable[[Lab, Files], Files]


def code(source: str) -> NotebookNode:
    return nbformat.v4.new_code_cell(source)


def change(lab: Lab, files: Files, changes: dict[str, str]) -> Files:
    """Return the files with pieces of the module replaced."""
    return files | {lab.files[1]: edited(files[lab.files[1]], changes)}


def add_cells(lab: Lab, files: Files, *cells: tuple[int, str]) -> Files:
    """Return the files with code cells inserted at places in the notebook."""

    def insert(notebook: list[NotebookNode]) -> None:
        for place, source in cells:
            notebook.insert(place, code(source))

    return files | {lab.files[0]: with_cells(files[lab.files[0]], insert)}


def answer(lab: Lab, files: Files, name: str, source: str) -> Files:
    """Return the files with another answer in a solution cell."""

    def replace(notebook: list[NotebookNode]) -> None:
        (cell,) = (cell for cell in notebook if cell.id == name)
        cell.source = source

    return files | {lab.files[0]: with_cells(files[lab.files[0]], replace)}


def variant(name: str, changes: dict[str, str] | None = None) -> Style:
    """Another correct module of the lab, perhaps with pieces replaced."""

    def style(lab: Lab, files: Files) -> Files:
        return files | {lab.files[1]: edited(lab.variants[name], changes or {})}

    return style


class _NoHints(ast.NodeTransformer):
    """Takes type hints away."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.returns = None
        for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
            argument.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        return ast.Assign([node.target], node.value) if node.value else ast.Pass()


def without_hints(lab: Lab, files: Files) -> Files:
    """No type hints, no comments, another layout."""
    tree = _NoHints().visit(ast.parse(files[lab.files[1]]))
    return files | {lab.files[1]: ast.unparse(ast.fix_missing_locations(tree)) + "\n"}


def in_cyrillic(names: dict[str, str]) -> Style:
    """Names and comments in Cyrillic, without type hints."""

    def style(lab: Lab, files: Files) -> Files:
        text = without_hints(lab, files)[lab.files[1]]
        for old, new in names.items():
            text, count = re.subn(rf"\b{old}\b", new, text)
            assert count, old
        return files | {lab.files[1]: "# Лабораторная работа: моё решение\n" + text + "# конец\n"}

    return style


PREDICT = "            scaled = self.network(torch.from_numpy(self.standardiser.transform(X)))\n"
EPOCH = "            self._train_epoch(inputs, targets, optimiser)\n"
IMPORTS = "import numpy as np\nimport torch\n"


def chatty(lab: Lab, files: Files) -> Files:
    """Prints, warnings and a progress bar on standard error; and more of it in the notebook."""
    noisy = (
        "            for _ in tqdm(range(1), desc='epoch', file=sys.stderr):\n    "
        f"{EPOCH}            warnings.warn('an epoch is over', stacklevel=1)\n            print('epoch', epoch)\n"
    )
    imports = "import sys\nimport warnings\n\nimport numpy as np\nimport torch\nfrom tqdm.auto import tqdm\n"
    files = change(lab, files, {EPOCH: noisy, IMPORTS: imports})
    return add_cells(lab, files, (3, "import warnings\nwarnings.warn('careful')\nprint('hello ' * 1000)"))


def plots(lab: Lab, files: Files) -> Files:
    """Every fit draws its losses and saves the picture; the notebook plots, too."""
    draw = (
        "        self.network.load_state_dict(best_weights)\n"
        "        figure, axes = plt.subplots()\n        axes.plot(self.validation_losses_)\n"
        "        figure.savefig('losses.png', dpi=40)\n        plt.show()\n        plt.close(figure)\n"
    )
    imports = "import matplotlib.pyplot as plt\n" + IMPORTS
    files = change(
        lab, files, {"        self.network.load_state_dict(best_weights)\n": draw, IMPORTS: imports}
    )
    return add_cells(lab, files, (6, "plt.plot(range(5))\nplt.savefig('five.pdf')\nplt.show()"))


def slow(lab: Lab, files: Files) -> Files:
    """Scaling in Python's own loops, and forecasts in batches of seven."""
    columns = (
        "        self.mean = np.array([sum(map(float, X[:, j])) / len(X) for j in range(X.shape[1])])\n"
        "        scale = np.array([sum((float(v) - m) ** 2 for v in X[:, j]) / len(X)"
        " for j, m in enumerate(self.mean)]) ** 0.5\n"
    )
    batches = (
        "            rows = torch.from_numpy(self.standardiser.transform(X))\n"
        "            scaled = torch.cat([self.network(batch) for batch in rows.split(7)])\n"
    )
    old = "        self.mean = X.mean(axis=0, dtype=np.float64)\n        scale = X.std(axis=0, dtype=np.float64)\n"
    return change(lab, files, {old: columns, PREDICT: batches})


def magics(lab: Lab, files: Files) -> Files:
    """Magics, shell commands and the time of a cell."""
    return add_cells(
        lab,
        files,
        (2, "%load_ext autoreload\n%autoreload 2\n%matplotlib inline\nimport os"),
        (4, "!pip list | head -3\n%timeit -n 1 -r 1 sum(range(10))"),
        (9, "%%time\nsquares = [i**2 for i in range(10)]"),
    )


def many_threads(lab: Lab, files: Files) -> Files:
    """As many threads and processes as there are cores, or so the student thinks."""
    spread = (
        "            rows = torch.from_numpy(self.standardiser.transform(X)).split(2000)\n"
        "            parts = Parallel(n_jobs=-1, prefer='threads')(delayed(self.network)(part) for part in rows)\n"
        "            scaled = torch.cat(parts)\n"
    )
    imports = "import os\n\nimport numpy as np\nimport torch\nfrom joblib import Parallel, delayed\n"
    seed = "        torch.manual_seed(self.seed)\n"
    files = change(
        lab,
        files,
        {PREDICT: spread, IMPORTS: imports, seed: f"        torch.set_num_threads(os.cpu_count())\n{seed}"},
    )
    forest = "from sklearn.ensemble import RandomForestRegressor\n"
    forest += "RandomForestRegressor(10, n_jobs=-1).fit(np.eye(20), np.arange(20))"
    return add_cells(lab, files, (6, forest))


def cuda_if_available(lab: Lab, files: Files) -> Files:
    """The network and its inputs go to a GPU where there is one."""
    device = "        self.device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\n"
    network = "        self.network = make_network(X.shape[1], self.hidden, self.dropout)\n"
    on_device = "            rows = torch.from_numpy(self.standardiser.transform(X)).to(self.device)\n"
    return change(
        lab,
        files,
        {
            "        self.network: nn.Sequential | None = None\n": (
                f"{device}        self.network: nn.Sequential | None = None\n"
            ),
            network: network.rstrip() + ".to(self.device)\n",
            "self.network(inputs[batch]), targets[batch])": (
                "self.network(inputs[batch].to(self.device)), targets[batch].to(self.device))"
            ),
            PREDICT: f"{on_device}            scaled = self.network(rows).cpu()\n",
            'f"network.{name}": tensor.numpy()': 'f"network.{name}": tensor.cpu().numpy()',
        },
    )


def helper_cells(lab: Lab, files: Files) -> Files:
    """The answer stands in helpers of the student's, in cells above it."""
    files = answer(
        lab, files, "comparison_code", "def comparison(y, predictions):\n    return ratios(y, predictions)"
    )
    helpers = "error = lambda y, p: float(np.sqrt(np.mean((np.asarray(p) - y) ** 2)))"
    more = "def ratios(y, p):\n    return {k: error(y, v) / error(y, 0 * y) for k, v in p.items()}"
    return add_cells(lab, files, (3, helpers), (5, more), (8, "1 / 0"), (8, "raise SystemExit"))


def helper_file(lab: Lab, files: Files) -> Files:
    """A part of the module lives in a file of the student's own beside it."""
    text = files[lab.files[1]]
    start, end = text.index("class Standardiser"), text.index("def make_network")
    helper = f'"""Scaling."""\n\nimport numpy as np\n\n\n{text[start:end]}'
    module = edited(
        text[:start] + text[end:],
        {"import itemmarket as im\n": "import itemmarket as im\nfrom my_helpers import Standardiser\n"},
    )
    return files | {lab.files[1]: module, "my_helpers.py": helper}


def other_optimiser(lab: Lab, files: Files) -> Files:
    """AdamW, clipped gradients, a generator of batches and a subclass of the class that was asked for."""
    files = change(
        lab,
        files,
        {
            "torch.optim.Adam(self.network.parameters(), lr=self.learning_rate)": (
                "torch.optim.AdamW(self.network.parameters(), lr=self.learning_rate, weight_decay=1e-4)"
            ),
            "            optimiser.step()\n": (
                "            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)\n            optimiser.step()\n"
            ),
            "class PyTorchPredictor:": "class _Base:",
            'def fit(self, X: np.ndarray, y: np.ndarray) -> "PyTorchPredictor":': (
                'def fit(self, X: np.ndarray, y: np.ndarray) -> "_Base":'
            ),
        },
    )
    subclass = '\n\nclass PyTorchPredictor(_Base):\n    """The same under its proper name."""\n'
    return files | {lab.files[1]: files[lab.files[1]] + subclass}


def with_pandas(lab: Lab, files: Files) -> Files:
    """Data frames inside."""
    old = "        self.mean = X.mean(axis=0, dtype=np.float64)\n        scale = X.std(axis=0, dtype=np.float64)\n"
    new = (
        "        frame = pd.DataFrame(np.asarray(X, dtype=float))\n"
        "        self.mean, scale = frame.mean().to_numpy(), frame.std(ddof=0).to_numpy()\n"
    )
    return change(lab, files, {old: new, IMPORTS: "import numpy as np\nimport pandas as pd\nimport torch\n"})


LOADER = "shuffle=True, generator=generator"
LAB1: dict[str, Style] = {
    "own loop, subclassed network": variant("own_loop"),
    "float64 and a DataLoader": variant("data_loader"),
    "DataLoader with workers": variant(
        "data_loader", {LOADER: f"{LOADER}, num_workers=1, persistent_workers=True"}
    ),
    "scikit-learn's scaler, functions": variant("functional"),
    "prints, warnings, progress bars": chatty,
    "plots": plots,
    "no type hints": without_hints,
    "names in Cyrillic": in_cyrillic(
        {
            "best_weights": "лучшие_веса",
            "n_validation": "хвост",
            "optimiser": "оптимизатор",
            "units": "ширина",
        }
    ),
    "slow but right": slow,
    "magics": magics,
    "n_jobs=-1 and set_num_threads": many_threads,
    "cuda if available": cuda_if_available,
    "helper cells, some of which fail": helper_cells,
    "a helper file": helper_file,
    "another optimiser, a subclass": other_optimiser,
    "pandas inside": with_pandas,
}


def plot_and_helper(lab: Lab, files: Files) -> Files:
    """A plot of the fit and a helper cell."""
    fit = "        self.slope = float(centre(x) @ centre(y) / (centre(x) @ centre(x)))\n"
    plot = "        import matplotlib.pyplot as plt\n        plt.plot(x, y)\n        plt.close()\n"
    files = change(lab, files, {fit: plot + fit})
    files = answer(lab, files, "report_code", "def report(value):\n    return sentence(value)")
    return add_cells(lab, files, (2, "def sentence(value):\n    return f'slope {value:.2f}'"))


LAB0: dict[str, Style] = {
    "linear algebra, Cyrillic": variant("linear_algebra"),
    "numpy's polynomials": variant("polynomial"),
    "no type hints": without_hints,
    "a plot, a helper cell": plot_and_helper,
}
