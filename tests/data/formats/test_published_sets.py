"""Fashion-MNIST, Omniglot, Frey faces and Caltech silhouettes, from files made here."""

import io
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from nfvae.data import (
    Dataset,
    caltech_silhouettes,
    fashion_mnist,
    frey_faces,
    load_dataset,
    mnist,
    omniglot,
)
from nfvae.errors import DataError

RNG = np.random.default_rng(0)


def refused(name: str, *parts: str, **options: Any) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset(name, **options)
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def everything(data: Dataset) -> list[bytes]:
    return sorted(
        image.numpy().tobytes() for split in data.splits.values() for image in split.images
    )


@pytest.mark.parametrize(
    ("name", "file", "source"),
    [
        ("fashion_mnist", "train-images-idx3-ubyte", "dataset-fashion-mnist"),
        ("omniglot", "chardata.mat", "https://"),
        ("frey_faces", "frey_rawface.mat", "https://"),
        ("caltech_silhouettes", "caltech101_silhouettes_28_split1.mat", "https://"),
    ],
)
@pytest.mark.parametrize("exists", [False, True])
def test_a_missing_file_is_named_with_its_source(
    name: str, file: str, source: str, exists: bool, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    if exists:
        root.mkdir()
    refused(name, file, source, str(root), root=str(root))


@pytest.mark.parametrize(
    ("name", "options", "accepted"),
    [
        ("mnist", {}, "train-images-idx3-ubyte or train-images.idx3-ubyte"),
        (
            "mnist",
            {"binarization": "static"},
            "binarized_mnist_train.amat or static_bits.npz or static_mnist_bits.npz",
        ),
        ("fashion_mnist", {}, "train-images-idx3-ubyte or train-images.idx3-ubyte"),
        ("omniglot", {"source": "small"}, "images_background_small1.zip"),
        ("frey_faces", {}, "frey_faces.npz or frey_rawface.mat"),
    ],
)
def test_a_file_of_another_name_is_told_the_accepted_ones(
    name: str, options: dict, accepted: str, tmp_path: Path
) -> None:
    (tmp_path / "my_data.bin").write_bytes(b"")
    refused(name, f"is named {accepted}, or so with .gz", root=str(tmp_path), **options)


@pytest.mark.parametrize("folder", ["", "omniglot-py"])
def test_a_file_of_a_similar_name_is_named(folder: str, tmp_path: Path) -> None:
    path = tmp_path / folder / "omniglot_images_background_small1.zip"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    refused("omniglot", f"if {path} is that file, rename it", root=str(tmp_path), source="small")


def test_no_other_file_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "thesis.mat").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        load_dataset("omniglot", root=str(tmp_path))
    assert "thesis" not in str(caught.value)


@pytest.mark.parametrize("name", ["fashion_mnist", "omniglot", "frey_faces"])
def test_static_bits_are_refused_where_there_are_none(name: str) -> None:
    with pytest.raises(ValueError, match=r"allowed: dynamic, fixed, none$"):
        load_dataset(name, binarization="static")


# --- Fashion-MNIST --------------------------------------------------------------------------------


def test_mnist_is_not_fashion_mnist() -> None:
    refused("fashion_mnist", "is not the published Fashion-MNIST", root=str(mnist.EMBEDDED))


@pytest.fixture
def as_fashion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take MNIST's files for Fashion-MNIST's."""
    monkeypatch.setattr(fashion_mnist, "FILES", mnist.FILES)


@pytest.mark.usefixtures("as_fashion")
def test_fashion_mnist_is_split_and_binarized_as_mnist() -> None:
    data = load_dataset("fashion_mnist", root=str(mnist.EMBEDDED))
    assert data.name == "fashion_mnist"
    assert data.digest == load_dataset("mnist").digest
    assert torch.equal(data.test.labels, load_dataset("mnist").test.labels)  # type: ignore[arg-type]


@pytest.mark.usefixtures("as_fashion")
def test_fashion_mnist_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fetch(root: str, download: bool) -> None:
        calls.append((root, download))
        shutil.copytree(mnist.EMBEDDED, Path(root) / "FashionMNIST/raw")

    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", fetch)
    root = tmp_path / "new/folder"
    for _ in range(2):
        load_dataset("fashion_mnist", root=str(root), download=True)
    assert calls == [(str(root), True)]


@pytest.mark.parametrize("error", [OSError("no network"), RuntimeError("File not found\nor bad")])
def test_a_failed_download_is_one_line(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", fail)
    refused("fashion_mnist", "Fashion-MNIST", "failed", root=str(tmp_path / "x"), download=True)


def test_a_download_without_torchvision_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torchvision", None)
    refused("fashion_mnist", "needs torchvision", root=str(tmp_path), download=True)


# --- Frey faces -----------------------------------------------------------------------------------

FACES = RNG.integers(0, 256, (1965, 28, 20), dtype=np.uint8)


@pytest.fixture
def faces(tmp_path: Path) -> str:
    np.savez(tmp_path / "frey_faces.npz", images=FACES)
    return str(tmp_path)


def test_the_split_of_frey_faces_is_sylvesters(faces: str) -> None:
    data = load_dataset("frey_faces", root=faces)
    rows = FACES.reshape(1965, 560) / 255.0
    rng = np.random.RandomState(123)  # as numpy.random.seed(123)
    rng.shuffle(rows)
    for split, expected in zip(data.splits.values(), np.split(rows, [1565, 1765]), strict=True):
        found = split.batch(torch.arange(len(split)))
        assert np.allclose(found.numpy().reshape(-1, 560), expected)


def test_frey_faces_are_levels_by_default(faces: str) -> None:
    data = load_dataset("frey_faces", root=faces)
    assert (data.values, data.binarization, data.image_shape) == ("levels", "none", (1, 28, 20))
    assert [len(split) for split in data.splits.values()] == [1565, 200, 200]
    assert load_dataset("frey_faces", root=faces, binarization="dynamic").values == "bits"


def test_frey_faces_in_the_order_of_the_film(faces: str) -> None:
    data = load_dataset("frey_faces", root=faces, split_seed=None)
    assert np.array_equal(data.test.images[:, 0].numpy(), FACES[1765:])


@pytest.mark.parametrize("kind", ["u1", "f8"])  # MATLAB may store levels as doubles
def test_frey_faces_from_matlab(kind: str, matfile: Any, faces: str, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    columns = FACES.reshape(1965, 560).T.astype(kind)
    (folder / "frey_rawface.mat").write_bytes(matfile.mat({"ff": columns}))
    digests = {load_dataset("frey_faces", root=str(r)).digest for r in (faces, folder)}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("images", "part"),
    [(FACES[:-1], "must be [1965, 28, 20]"), (FACES / 255, "must hold levels")],
)
def test_other_faces(images: np.ndarray, part: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "frey_faces.npz", images=images)
    refused("frey_faces", part, "frey_faces.npz", root=str(tmp_path))


def test_the_pickle_of_frey_faces_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "freyfaces.pkl").write_bytes(b"cos\nmkdir\n")
    refused("frey_faces", "is a pickle", "frey_rawface.mat", root=str(tmp_path))
    assert frey_faces.PICKLE == "freyfaces.pkl"


# --- Caltech silhouettes --------------------------------------------------------------------------


def ground(n: int) -> np.ndarray:
    return RNG.integers(0, 2, (n, 784), dtype=np.uint8)


def upright(stored: np.ndarray) -> np.ndarray:
    """The images of a MATLAB file, one by one."""
    return np.stack([(1 - row).reshape(28, 28, order="F") for row in stored])


def test_the_official_split_of_silhouettes(matfile: Any, tmp_path: Path) -> None:
    sizes = {"train": 4100, "val": 2264, "test": 2307}
    stored = {f"{part}_data": ground(n) for part, n in sizes.items()}
    labels = {f"{part}_labels": np.arange(n, dtype=np.uint8) for part, n in sizes.items()}
    content = matfile.mat(stored | {name: array[:, None] for name, array in labels.items()})
    (tmp_path / caltech_silhouettes.SPLIT_FILE).write_bytes(content)
    data = load_dataset("caltech_silhouettes", root=str(tmp_path))
    assert (data.values, data.binarization, data.image_shape) == ("bits", "static", (1, 28, 28))
    for part, split in data.splits.items():
        found = split.batch(torch.arange(len(split)))[:, 0].numpy()
        assert np.array_equal(found, upright(stored[f"{part}_data"]))
        assert split.labels is not None
        assert np.array_equal(split.labels.numpy(), labels[f"{part}_labels"])


def test_a_seeded_split_of_all_silhouettes(matfile: Any, tmp_path: Path) -> None:
    stored = ground(8671)
    content = matfile.mat({"X": stored, "Y": np.arange(8671.0)[None]})
    (tmp_path / caltech_silhouettes.WHOLE_FILE).write_bytes(content)
    options = {"root": str(tmp_path), "split": "seeded"}
    data = load_dataset("caltech_silhouettes", **options)
    assert [len(split) for split in data.splits.values()] == [4100, 2264, 2307]
    assert everything(data) == sorted((image * 255).tobytes() for image in upright(stored))
    assert data.digest == load_dataset("caltech_silhouettes", **options).digest
    assert data.digest != load_dataset("caltech_silhouettes", split_seed=1, **options).digest


@pytest.mark.parametrize(
    ("arrays", "part"),
    [
        ({"X": ground(9), "Y": np.ones((1, 9))}, "must be [8671, 784]"),
        ({"X": np.full((8671, 784), 2, np.uint8)}, "must hold only 0 and 1"),
        ({"X": np.ones((8671, 784), np.uint8)}, "no array Y of 8671 labels"),
        ({"other": np.ones((2, 2))}, "has no array X; it holds other"),
    ],
)
def test_other_silhouettes(matfile: Any, arrays: dict, part: str, tmp_path: Path) -> None:
    (tmp_path / caltech_silhouettes.WHOLE_FILE).write_bytes(matfile.mat(arrays))
    refused("caltech_silhouettes", part, root=str(tmp_path), split="seeded")


@pytest.mark.parametrize(
    ("name", "file", "options"),
    [
        ("caltech_silhouettes", caltech_silhouettes.SPLIT_FILE, {}),
        ("caltech_silhouettes", caltech_silhouettes.WHOLE_FILE, {"split": "seeded"}),
        ("omniglot", omniglot.CHARDATA, {}),
    ],
)
def test_a_file_is_fetched_with_its_digest(
    name: str, file: str, options: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = []

    def fetch(url: str, root: str, md5: str) -> None:
        fetched.append((url.rsplit("/")[-1], len(md5)))
        (Path(root) / file).write_bytes(b"fetched")

    monkeypatch.setattr(torchvision.datasets.utils, "download_url", fetch)
    for _ in range(2):  # the second time it is there
        refused(name, file, "no known format", root=str(tmp_path), download=True, **options)
    assert fetched == [(file, 32)]


# --- Omniglot -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chardata(matfile: Any) -> tuple[bytes, dict[str, np.ndarray]]:
    def images(n: int) -> np.ndarray:
        levels = RNG.integers(0, 256, (784, 1), dtype=np.uint8) + np.arange(n, dtype=np.uint8)
        return levels / np.float32(255)

    def labels(n: int) -> np.ndarray:
        return np.eye(50, dtype=np.uint8)[:, np.arange(n) % 50]

    arrays = {"data": images(24_345), "testdata": images(8_070)}
    named = {"target": labels(24_345), "testtarget": labels(8_070)}
    return matfile.mat(arrays | named, pack=False), arrays


def test_omniglots_chardata(chardata: Any, tmp_path: Path) -> None:
    content, arrays = chardata
    (tmp_path / "chardata.mat").write_bytes(content)
    data = load_dataset("omniglot", root=str(tmp_path), binarization="none")
    assert [len(split) for split in data.splits.values()] == [23_000, 1_345, 8_070]
    # As in Sylvester's code: reshape_data(testdata.T).
    rows = arrays["testdata"].T.reshape((-1, 28, 28)).reshape((-1, 784), order="F")
    found = data.test.batch(torch.arange(8_070)).numpy()
    assert np.allclose(found.reshape(8_070, 784), rows, atol=1e-6)
    assert data.test.labels is not None
    assert data.test.labels[:60].tolist() == [*range(50), *range(10)]
    # As in the code of Burda et al.: validation is the end of a permutation with seed 123.
    rest = arrays["data"].T.reshape((-1, 28, 28)).reshape((-1, 784), order="F")
    held_out = rest[np.random.RandomState(seed=123).permutation(24_345)][-1_345:]
    assert data.val is not None
    found = data.val.batch(torch.arange(1_345)).numpy()
    assert np.allclose(found.reshape(1_345, 784), held_out, atol=1e-6)
    everyone = load_dataset("omniglot", root=str(tmp_path), binarization="none", train_on_val=True)
    assert len(everyone.train) == 24_345


@pytest.mark.parametrize(
    ("array", "part"),
    [
        (np.zeros((784, 5)), "must be [784, 24345]"),
        (np.full((784, 24_345), np.nan, "f4"), "must hold numbers from 0 to 1"),
        (np.full((784, 24_345), 255, np.uint8), "must hold numbers from 0 to 1"),
    ],
)
def test_other_chardata(matfile: Any, array: np.ndarray, part: str, tmp_path: Path) -> None:
    (tmp_path / "chardata.mat").write_bytes(matfile.mat({"data": array}))
    refused("omniglot", part, root=str(tmp_path))


def png(pixels: np.ndarray, mode: str = "1") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "png")
    return file.getvalue()


def stroke(row: int) -> np.ndarray:
    """A black bar, 15 rows high, over the left half of white paper."""
    pixels = np.full((105, 105), 255, np.uint8)
    pixels[row : row + 15, :52] = 0
    return pixels


def small_zips(folder: Path, monkeypatch: pytest.MonkeyPatch, **changed: bytes) -> Path:
    """Two archives of 20 drawings of two alphabets, 10 of them in both."""
    names = [f"{'Greek' if i < 15 else 'Latin'}/character01/{i:04d}_01.png" for i in range(30)]
    archives = [
        omniglot.DrawingsFile("images_background_small1", 20),
        omniglot.DrawingsFile("images_background_small2", 20),
    ]
    monkeypatch.setitem(omniglot.FILES, "small", tuple(archives))
    for file, part in zip(archives, (names[:20], names[10:]), strict=True):
        with zipfile.ZipFile(folder / f"{file.name}.zip", "w") as archive:
            archive.writestr(f"{file.name}/", b"")
            for name in part:
                key = name[-11:-7]
                content = changed.get(f"n{key}", png(stroke(int(key) * 3)))
                archive.writestr(f"{file.name}/{name}", content)
    return folder


def test_omniglots_drawings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = str(small_zips(tmp_path, monkeypatch))
    data = load_dataset("omniglot", root=root, source="small", binarization="none")
    assert [len(split) for split in data.splits.values()] == [22, 1, 7]
    labels = torch.cat([split.labels for split in data.splits.values()])  # type: ignore[misc]
    assert labels.bincount().tolist() == [15, 15]
    images = everything(data)
    assert len(set(images)) == 30  # each drawing once, though 10 are in both archives
    expected = np.asarray(
        Image.fromarray(255 - stroke(30)).resize((28, 28), Image.Resampling.LANCZOS)
    )
    assert expected.tobytes() in images


def test_a_drawing_is_upright_and_its_ink_is_one() -> None:
    image = omniglot.read_drawing(png(stroke(45)), "x")
    assert image.shape == (28, 28)
    assert image[13:15, 1:12].min() == 255
    assert image[13:15, 16:].max() == 0
    assert max(image[:10].max(), image[20:].max()) <= 1  # the filter rings a little


def png_of_size(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + bytes(4)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "must be a PNG file"),
        (b"GIF89a" + bytes(50), "must be a PNG file"),
        (png(stroke(0)[:104]), "must be a PNG file of 105×105"),
        (png_of_size(60_000, 60_000), "must be a PNG file of 105×105"),
        (png_of_size(105, 105), "is damaged"),
        (png(stroke(0))[:-60], "is damaged"),
        (png(stroke(0), "RGB"), "must be black and white"),
        (RNG.integers(0, 256, 10_001, dtype=np.uint8).tobytes(), "is too large"),
    ],
    ids=range(8),
)
def test_other_drawings(
    content: bytes, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = small_zips(tmp_path, monkeypatch, n0003=content)
    refused("omniglot", part, "0003_01.png", root=str(root), source="small")


def test_archives_that_are_not_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = small_zips(tmp_path, monkeypatch)
    path = root / "images_background_small1.zip"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    refused("omniglot", str(path), "is damaged", root=str(root), source="small")
    path.write_bytes(whole)
    few = (omniglot.DrawingsFile("images_background_small1", 21),)
    monkeypatch.setitem(omniglot.FILES, "small", few)
    refused("omniglot", "holds 20 drawings, must be 21", root=str(root), source="small")


def test_omniglots_drawings_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def fetch(root: str, background: bool, download: bool) -> None:
        fetched.append(background)
        folder = Path(root) / "omniglot-py"
        folder.mkdir(exist_ok=True)
        name = "images_background" if background else "images_evaluation"
        (folder / f"{name}.zip").write_bytes(b"PK fetched")

    monkeypatch.setattr(torchvision.datasets, "Omniglot", fetch)
    options = {"root": str(tmp_path), "source": "drawings", "download": True}
    refused("omniglot", "omniglot-py", "is damaged", **options)
    refused("omniglot", "omniglot-py", "is damaged", **options)
    assert fetched == [True, False]


def test_a_source_without_a_download() -> None:
    with pytest.raises(ValueError, match="download is not possible"):
        load_dataset("omniglot", source="small", download=True)


def test_options_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match="allowed: chardata, drawings, small"):
        load_dataset("omniglot", source="all")
    with pytest.raises(ValueError, match="allowed: official, seeded"):
        load_dataset("caltech_silhouettes", split="mine")
