"""What a row of the comparison is, and data that rivals read. Only the standard library is needed to import this."""
import dataclasses
import gzip
import pathlib
import typing


@dataclasses.dataclass
class Row:
    name: str
    what: str                      # for people
    job: str                       # of bench_side: sample, train, ask; command: a whole process
    model: str                     # in the language
    words: typing.Sequence[str]    # for bench_side; {images}, {labels}, {test} become files
    needs: typing.Dict[str, float] # rival: how many times faster nrg shall be
    sides: typing.Callable         # (rival, mnist) -> {setting: a function that does the work and gives a number, or None}
    flops: float = 0.0             # that the work cannot do without, in products
    bytes: float = 0.0             # that it cannot do without from memory
    per: float = 1.0               # units of work in one call of a rival's function
    unit: str = "s"


def idx(path):
    import numpy as np
    with gzip.open(path) as f:
        raw = f.read()
    shape = [int.from_bytes(raw[4 + 4 * i:8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


class Mnist:
    """Training images and labels, test images: the real files, or of `nrg data make digits`."""

    def __init__(self, images, labels, test=None):
        self.files = {"images": images, "labels": labels, "test": test}

    def read(self, name):
        import numpy as np
        path = self.files[name]
        if pathlib.Path(path.rsplit(":", 1)[0]).suffix == ".npz":
            file, part = path.rsplit(":", 1)
            return np.load(file)[part]
        return idx(path)

    def images(self, which="images"):
        """float32 between 0 and 1, [rows, 784]"""
        x = self.read(which)
        x = x.reshape(len(x), -1)
        return x.astype("float32") / (255 if x.dtype == "uint8" else 1)

    def labels(self):
        return self.read("labels").astype("int64")
