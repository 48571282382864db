"""Data sets: a few rows of the real one where it is here, else a few made-up rows of the columns that are used."""

import functools
import inspect
import os

from .columns import SPLITS, columns_of, made_rows
from .reading import keys_read

ROWS = 32
LOCAL = ("json", "csv", "text", "parquet", "arrow", "pandas", "xml", "webdataset", "imagefolder", "audiofolder")
"""Names that are readers of local files, and no data sets."""


PATHS = ("path", "dataset_path", "data_files", "data_dir")
"""Arguments that may name what is on this machine."""


class Data:
    """Answers load_dataset and load_from_disk.

    Args:
        world: The run.
    """

    def __init__(self, world):
        self.world = world
        self._fewer = False

    def install(self, hooks):
        """Puts itself before the loaders.

        Args:
            hooks: Where changes of modules are asked for.
        """
        hooks.after("datasets.load", self._replace)
        hooks.after("datasets.arrow_dataset", self._ask_for_less)

    def _ask_for_less(self, module):
        """Lets scripts choose among a few rows as they would among many, and work on them in this process."""
        select, split = module.Dataset.select, module.Dataset.train_test_split

        @functools.wraps(select)
        def select_(data, indices, *args, **kwargs):
            if self._fewer and len(data) and not hasattr(indices, "dtype"):
                indices = indices if isinstance(indices, range) else list(indices)
                if any(not -len(data) <= index < len(data) for index in indices):
                    there = [index for index in indices if index < len(data)]
                    indices = there or sorted({index % len(data) for index in indices})
                    self.world.replaced(f"rows that it selects by those of them that are among {len(data)}")
            return select(data, indices, *args, **kwargs)

        @functools.wraps(split)
        def split_(data, test_size=None, train_size=None, *args, **kwargs):
            sizes = [size for size in (test_size, train_size) if isinstance(size, int)]
            if self._fewer and sum(sizes) >= len(data) > 1:
                self.world.replaced(f"a split of so many rows ({', '.join(map(str, sizes))}) by one into halves")
                test_size, train_size = 0.5, None
            return split(data, test_size, train_size, *args, **kwargs)

        module.Dataset.select, module.Dataset.train_test_split = select_, split_
        for name in ("map", "filter"):
            setattr(module.Dataset, name, _in_this_process(getattr(module.Dataset, name)))

    def _replace(self, module):
        for name in ("load_dataset", "load_from_disk"):
            original = getattr(module, name, None)
            if original is not None:
                setattr(module, name, self._loader(original))

    def _loader(self, original):
        signature = inspect.signature(original)

        @functools.wraps(original)
        def load(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)  # what the real one would refuse is refused
            given = bound.arguments
            given.update({name: self.world.at_home(given[name]) for name in PATHS if name in given})
            self.world.emit("stage", stage="load")
            if self._is_here(given):
                return self._few(original(*bound.args, **bound.kwargs))
            return self._made(given)

        return load

    @staticmethod
    def _is_here(given):
        """Whether the files are on this machine."""
        path = given.get("path", given.get("dataset_path"))
        if not isinstance(path, (str, os.PathLike)):
            return False
        files = given.get("data_files")
        if str(path) in LOCAL and files is not None:
            return all(os.path.exists(each) or any(c in each for c in "*?[") for each in _texts(files))
        return os.path.exists(path) or (str(path) in LOCAL and bool(given.get("data_dir")))

    def _few(self, data):
        """The first rows of a data set, or of each of its splits."""
        if isinstance(data, dict):
            for name in list(data):
                data[name] = self._few(data[name])
            return data
        if isinstance(data, list):
            return [self._few(each) for each in data]
        if hasattr(data, "take") and not hasattr(data, "select"):
            return data.take(ROWS)
        if len(data) > ROWS:
            self._fewer = True
            self.world.replaced(f"a data set of {len(data)} rows by its first {ROWS}")
            return data.select(range(ROWS))
        return data

    def _made(self, given):
        """A made-up data set with the splits that the call asks for."""
        from datasets import Dataset, DatasetDict

        self._fewer = True
        name = str(given.get("path", given.get("dataset_path")))
        columns = columns_of(name, self.world.request)
        self.world.made.extend(column for column in columns if column not in self.world.made)
        self.world.emit("made", columns=self.world.made)
        self.world.replaced(f"the data set {name} by {ROWS} made-up rows with the columns {', '.join(columns)}")
        rows = made_rows(columns, ROWS, keys_read(self.world.sources), self.world.folder / "made")
        streaming = bool(given.get("streaming", given.get("config_kwargs", {}).get("streaming")))

        def one():
            data = Dataset.from_dict(rows, features=_with_pictures(rows))
            return data.to_iterable_dataset() if streaming and hasattr(data, "to_iterable_dataset") else data

        class Splits(DatasetDict):
            """Has every split that is asked for."""

            def __missing__(self, key):
                self[key] = one()
                return self[key]

        split = given.get("split")
        if isinstance(split, (list, tuple)):
            return [one() for _ in split]
        if split is not None:
            return one()
        splits = (*SPLITS.get(name, ("train", "test")), *self.world.request.get("splits", ()))
        return Splits({each: one() for each in splits})


def _with_pictures(rows):
    """The features of rows with lists of pictures, which older releases do not tell by themselves; else None."""
    from datasets import Dataset, Image, Sequence

    def several(values):
        return isinstance(values[0], list) and values[0] and hasattr(values[0][0], "getpixel")

    plain = {column: values for column, values in rows.items() if not several(values)}
    if len(plain) == len(rows):
        return None
    features = Dataset.from_dict(plain).features if plain else type(Dataset.from_dict({"a": [1]}).features)()
    features.update({column: Sequence(Image()) for column in rows if column not in plain})
    return type(features)({column: features[column] for column in rows})


def _in_this_process(method):
    """A method of data sets without its num_proc: what it raises shows where, and few rows are done sooner so."""
    signature = inspect.signature(method)

    @functools.wraps(method)
    def called(*args, **kwargs):
        given = signature.bind(*args, **kwargs)  # what the real one would refuse is refused
        if "num_proc" in given.arguments:
            given.arguments["num_proc"] = None
        return method(*given.args, **given.kwargs)

    return called


def _texts(files):
    """Every path in data_files: a text, a list, or splits with either."""
    if isinstance(files, dict):
        files = list(files.values())
    if isinstance(files, (list, tuple)):
        return [text for each in files for text in _texts(each)]
    return [os.fspath(files)]
