"""Styles that students have, applied to any lab's solution: whatever they change, the work stays right.

Most of them rewrite the module's syntax tree, so that they need to know nothing about the lab.
"""

import ast
import re
from collections.abc import Callable, Mapping

import nbformat
from nbformat import NotebookNode

from autograder.labs.definition import Lab
from tests.fairness.submissions import Files, edited, with_cells
from tests.fairness.suite import Style

# ---------------------------------------------------------------- pieces


def change(lab: Lab, files: Files, changes: Mapping[str, str]) -> Files:
    """Return the files with pieces of the module replaced."""
    return files | {lab.files.module: edited(files[lab.files.module], changes)}


def add_cells(lab: Lab, files: Files, *cells: tuple[int, str]) -> Files:
    """Return the files with code cells inserted at places in the notebook."""

    def insert(notebook: list[NotebookNode]) -> None:
        for place, source in cells:
            notebook.insert(place, nbformat.v4.new_code_cell(source))

    return files | {lab.files.notebook: with_cells(files[lab.files.notebook], insert)}


def answer(lab: Lab, files: Files, name: str, source: str) -> Files:
    """Return the files with another answer in a solution cell."""

    def replace(notebook: list[NotebookNode]) -> None:
        (cell,) = (cell for cell in notebook if cell.id == name)
        cell.source = source

    return files | {lab.files.notebook: with_cells(files[lab.files.notebook], replace)}


def variant(name: str, changes: Mapping[str, str] | None = None) -> Style:
    """Another correct module of the lab, perhaps with pieces replaced."""

    def style(lab: Lab, files: Files) -> Files:
        return files | {lab.files.module: edited(lab.variants[name], changes or {})}

    return style


def rewritten(
    lab: Lab, files: Files, edit: Callable[[ast.Module], object], head: str = "", tail: str = ""
) -> Files:
    """Return the files with the module's syntax tree changed in place, and text before and after it."""
    tree = ast.parse(files[lab.files.module])
    edit(tree)
    text = ast.unparse(ast.fix_missing_locations(tree))
    return files | {lab.files.module: f"{head}{text}\n{tail}"}


def functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """Return all functions and methods."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def assigned(node: ast.AST) -> set[str]:
    """Return the names that something is assigned to."""
    return {
        name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    }


def begin(tree: ast.Module, names: tuple[str, ...], source: str) -> None:
    """Put statements at the start of the functions of these names, after the docstring."""
    for function in functions(tree):
        if function.name in names:
            at = 1 if ast.get_docstring(function) is not None else 0
            function.body[at:at] = ast.parse(source).body


# ---------------------------------------------------------------- styles of any lab


def without_hints(lab: Lab, files: Files) -> Files:
    """No type hints, no comments, another layout."""
    return rewritten(lab, files, lambda tree: _NoHints().visit(tree))


class _NoHints(ast.NodeTransformer):
    """Takes type hints away."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.returns = None
        for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
            argument.annotation = None
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        if not node.decorator_list:  # a dataclass lives by its annotations
            self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        return ast.Assign([node.target], node.value) if node.value else ast.Pass()


def in_cyrillic(lab: Lab, files: Files) -> Files:
    """Local variables and comments in Cyrillic."""

    def rename(tree: ast.Module) -> None:
        local = {name for function in functions(tree) for name in assigned(function)}
        arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg | ast.keyword)}
        top = {
            name
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for name in assigned(node)
        }
        chosen = sorted(local - arguments - top)
        assert len(chosen) > 3
        names = {old: f"имя_{number}" for number, old in enumerate(chosen)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                node.id = names.get(node.id, node.id)

    return rewritten(lab, files, rename, "# Лабораторная работа: моё решение\n", "# конец\n")


def private_names(lab: Lab, files: Files) -> Files:
    """Other names for all private helpers and attributes."""

    def rename(tree: ast.Module) -> None:
        private = re.compile(r"_[a-z]\w*")
        defined = {f.name for f in functions(tree)} | {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        }
        for node in ast.walk(tree):
            for field in ("name", "attr", "id"):
                old = getattr(node, field, None)
                if isinstance(old, str) and old in defined and private.fullmatch(old):
                    setattr(node, field, f"_my{old}")

    return rewritten(lab, files, rename)


def subclassed(lab: Lab, files: Files) -> Files:
    """The class that was asked for is a subclass of the one that does the work."""

    def rename(tree: ast.Module) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name == lab.class_name:
                node.name = "_Base"
            if isinstance(node, ast.Name) and node.id == lab.class_name:
                node.id = "_Base"
            if isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Constant):
                node.returns = None

    subclass = f'\n\nclass {lab.class_name}(_Base):\n    """The same under its proper name."""\n'
    return rewritten(lab, files, rename, tail=subclass)


def sklearn_base(lab: Lab, files: Files) -> Files:
    """The class inherits from scikit-learn's, and from nothing else."""

    def inherit(tree: ast.Module) -> None:
        (main,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == lab.class_name)
        main.bases = [ast.Name("BaseEstimator")]
        at = next(i for i, node in enumerate(tree.body) if isinstance(node, ast.Import | ast.ImportFrom))
        tree.body[at:at] = ast.parse("from sklearn.base import BaseEstimator").body

    return rewritten(lab, files, inherit)


def helper_file(lab: Lab, files: Files) -> Files:
    """A part of the module lives in a file of the student's own beside it."""
    text = files[lab.files.module]
    tree = ast.parse(text)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    bound = {alias.asname or alias.name.partition(".")[0] for node in imports for alias in node.names}
    top = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    top |= {
        name for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) for name in assigned(node)
    }

    def independent(node: ast.stmt) -> bool:
        used = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
        return not used & (top - {node.name} - bound)

    moved = next(
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and node.name != lab.class_name
        and independent(node)
    )
    heads = "\n".join(map(ast.unparse, imports))
    helper = f'"""A helper."""\n\n{heads}\n\n\n{ast.unparse(moved)}\n'
    tree.body.remove(moved)
    tree.body.insert(
        tree.body.index(imports[-1]) + 1, *ast.parse(f"from my_helpers import {moved.name}").body
    )
    return files | {lab.files.module: ast.unparse(tree) + "\n", "my_helpers.py": helper}


def chatty(lab: Lab, files: Files) -> Files:
    """Prints, warnings, logs and a progress bar on standard error; and more of it in the notebook."""
    noise = (
        "import logging, sys, warnings\n"
        "from tqdm.auto import tqdm\n"
        "warnings.warn('at work', stacklevel=1)\n"
        "logging.warning('at work')\n"
        "for _ in tqdm(range(3), desc='at work', file=sys.stderr):\n    pass\n"
        "print('at work')\n"
    )
    files = rewritten(lab, files, lambda tree: begin(tree, ("fit", "predict"), noise))
    return add_cells(lab, files, (3, "import warnings\nwarnings.warn('careful')\nprint('hello ' * 1000)"))


def plots(lab: Lab, files: Files) -> Files:
    """Every fit draws and saves a picture; the notebook plots, too."""
    draw = (
        "import matplotlib.pyplot as plt\n"
        "figure, axes = plt.subplots()\n"
        "axes.plot(range(5))\n"
        "figure.savefig('losses.png', dpi=40)\n"
        "plt.show()\n"
        "plt.close(figure)\n"
    )
    files = rewritten(lab, files, lambda tree: begin(tree, ("fit",), draw))
    cell = "import matplotlib.pyplot as plt\nplt.plot(range(5))\nplt.savefig('five.pdf')\nplt.show()"
    return add_cells(lab, files, (6, cell))


def many_threads(lab: Lab, files: Files) -> Files:
    """As many threads and processes as there are cores, or so the student thinks."""
    threads = "import os\nimport torch\ntorch.set_num_threads(os.cpu_count())\n"
    files = rewritten(lab, files, lambda tree: begin(tree, ("fit", "predict"), threads))
    forest = "import numpy as np\nfrom sklearn.ensemble import RandomForestRegressor\n"
    forest += "RandomForestRegressor(10, n_jobs=-1).fit(np.eye(20), np.arange(20))"
    return add_cells(lab, files, (6, forest))


def seeds_everywhere(lab: Lab, files: Files) -> Files:
    """Seeds of everything when the module is imported, and deterministic algorithms."""
    seeds = (
        "\nimport random\n\nimport numpy\nimport torch\n\nrandom.seed(0)\nnumpy.random.seed(0)\ntorch.manual_seed(0)\n"
        "torch.use_deterministic_algorithms(True)\n"
    )
    return files | {lab.files.module: files[lab.files.module] + seeds}


def timed(lab: Lab, files: Files) -> Files:
    """A decorator that measures every public method."""
    decorator = (
        "def timed(method):\n"
        '    """Print how long a method takes.\n\n'
        "    Parameters\n    ----------\n    method : callable\n        The method.\n\n"
        '    Returns\n    -------\n    callable\n        The same, measured.\n    """\n'
        "    import functools, time\n\n"
        "    @functools.wraps(method)\n"
        "    def inner(*args, **options):\n"
        "        began = time.perf_counter()\n"
        "        answer = method(*args, **options)\n"
        "        print(method.__name__, time.perf_counter() - began)\n"
        "        return answer\n\n"
        "    return inner\n"
    )

    def decorate(tree: ast.Module) -> None:
        at = next(i for i, node in enumerate(tree.body) if isinstance(node, ast.ClassDef | ast.FunctionDef))
        for function in functions(tree):
            if function.name in ("fit", "predict", "predict_proba") and not function.decorator_list:
                function.decorator_list = [ast.Name("timed")]
        tree.body[at:at] = ast.parse(decorator).body

    return rewritten(lab, files, decorate)


def magics(lab: Lab, files: Files) -> Files:
    """Magics, shell commands, the time of a cell, cells that fail and one that leaves."""
    return add_cells(
        lab,
        files,
        (2, "%load_ext autoreload\n%autoreload 2\n%matplotlib inline\nimport os"),
        (4, "!pip list | head -3\n%timeit -n 1 -r 1 sum(range(10))"),
        (8, "1 / 0"),
        (8, "raise SystemExit"),
        (9, "%%time\nsquares = [i**2 for i in range(10)]"),
    )


ANY: dict[str, Style] = {
    "no type hints": without_hints,
    "names in Cyrillic": in_cyrillic,
    "private helpers renamed": private_names,
    "a subclass": subclassed,
    "scikit-learn's base class": sklearn_base,
    "a helper file": helper_file,
    "prints, warnings, progress bars": chatty,
    "plots": plots,
    "n_jobs=-1 and set_num_threads": many_threads,
    "seeds everywhere": seeds_everywhere,
    "a timing decorator": timed,
    "magics and cells that fail": magics,
}
"""Styles that fit every lab."""
