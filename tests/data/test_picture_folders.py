"""Folders of picture files with masks, or with boxes as COCO has them."""

import json

import numpy as np
import pytest
from PIL import Image

from nas_jax.data.arrays import load
from nas_jax.data.coco_json import CocoJson
from nas_jax.data.image_masks import ImageMasks
from nas_jax.errors import UserError

NUM = 20


@pytest.fixture
def masked(tmp_path):
    """Twenty pictures of 8 x 12 pixels, each with a mask of its own number of foreground columns."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for place in range(NUM):
        mask = np.zeros((8, 12), np.uint8)
        mask[:, : place % 12] = 1
        mask[0, 0] = 255
        Image.fromarray(mask).save(tmp_path / "masks" / f"{place:02}.png")
        Image.fromarray(np.repeat(10 * mask[..., None], 3, -1) + np.uint8(place)).save(
            tmp_path / "images" / f"{place:02}.png"
        )
    return tmp_path


def test_each_image_keeps_its_mask_and_is_in_one_part(masked):
    dataset = load(ImageMasks(str(masked), size=(8, 12), share=0.2))
    sizes = {}
    for part in ("train", "val", "test"):
        split = getattr(dataset, part)
        sizes[part] = len(split["mask"])
        for image, mask in zip(split["image"], split["mask"], strict=True):
            number = int(image[-1, -1, 0])
            assert (mask == 1).sum(axis=1)[-1] == number % 12
            assert mask[0, 0] == 255
    assert sizes == {"train": 12, "val": 4, "test": 4}
    numbers = [int(image[-1, -1, 0]) for part in ("train", "val", "test") for image in getattr(dataset, part)["image"]]
    assert sorted(numbers) == list(range(NUM))


def test_masks_are_resized_without_a_class_between_two_others(masked):
    dataset = ImageMasks(str(masked), size=(16, 9), class_names=("a", "b")).load()
    assert set(np.unique(dataset.train["mask"])) <= {0, 1, 255}
    assert dataset.spec.arrays["mask"] == ((16, 9), "uint8")


def test_colours_become_classes_and_others_are_left_out(tmp_path):
    for part in ("train", "val", "test"):
        for name in ("images", "masks"):
            (tmp_path / part / name).mkdir(parents=True)
        mask = np.zeros((2, 3, 3), np.uint8)
        mask[0, 0], mask[1, 2] = (128, 64, 128), (1, 2, 3)
        Image.fromarray(mask).save(tmp_path / part / "masks" / "a.png")
        Image.fromarray(mask).save(tmp_path / part / "images" / "a.jpg")
    source = ImageMasks(str(tmp_path), size=(2, 3), class_names=("sky", "road"), colors=("#000000", "#804080"))
    expected = [[1, 0, 0], [0, 0, 255]]
    assert source.load().test["mask"][0].tolist() == expected
    with pytest.raises(UserError, match="has colours; name that of each class"):
        ImageMasks(str(tmp_path), size=(2, 3)).load()


def test_what_is_missing_is_named_in_one_line(masked, tmp_path):
    with pytest.raises(UserError, match="is no folder"):
        ImageMasks().load()
    (masked / "masks" / "03.png").unlink()
    with pytest.raises(UserError, match="1 files are alone: '03' has no mask"):
        ImageMasks(str(masked)).load()
    (masked / "masks" / "03.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"03\.png' cannot be read as a picture"):
        ImageMasks(str(masked)).load()
    with pytest.raises(ValueError, match="there are 1, and 2 class_names"):
        ImageMasks("x", colors=("#000000",))


def coco(folder, part="train", num=10, **changes):
    """Pictures of 10 x 20 pixels; the first has two boxes, one beyond the edge, the second a crowd, the third none."""
    (folder / "images").mkdir(exist_ok=True)
    images, annotations = [], []
    for place in range(num):
        name = f"{part}{place}.png"
        Image.fromarray(np.full((10, 20, 3), place, np.uint8)).save(folder / "images" / name)
        images.append({"id": 100 + place, "file_name": name, "width": 20, "height": 10})
    boxes = [
        (100, 7, [2, 1, 4, 5], 0),
        (100, 30, [15, 5, 10, 10], 0),
        (101, 7, [0, 0, 5, 5], 1),
        (103, 7, [0, 0, 0, 5], 0),
    ]
    boxes += [(100 + place, 7, [0, 0, 10, 10], 0) for place in range(4, num)]
    for number, (image, category, box, crowd) in enumerate(boxes):
        annotations.append({"id": number, "image_id": image, "category_id": category, "bbox": box, "iscrowd": crowd})
    categories = [{"id": 30, "name": "dog"}, {"id": 7, "name": "cat"}, {"id": 8, "name": "never"}]
    record = {"images": images, "annotations": annotations, "categories": categories} | changes
    (folder / f"{part}.json").write_text(json.dumps(record))


def test_boxes_of_coco_are_corners_in_shares(tmp_path):
    for part in ("train", "val", "test"):
        coco(tmp_path, part)
    dataset = load(CocoJson(str(tmp_path), size=(5, 10)))
    assert dataset.class_names == ("cat", "dog")
    first = dataset.val["boxes"][0]
    np.testing.assert_allclose(first, [[0.1, 0.1, 0.6, 0.3], [0.5, 0.75, 1, 1]], atol=1e-6)
    assert dataset.val["labels"][:4].tolist() == [[0, 1], [-1, -1], [-1, -1], [-1, -1]]
    assert (dataset.val["image"][4] == 4).all()


def test_the_largest_boxes_stay_where_there_are_too_many(tmp_path):
    for part in ("train", "val", "test"):
        coco(tmp_path, part)
    dataset = CocoJson(str(tmp_path), max_boxes=1).load()
    assert dataset.train["labels"][0].tolist() == [1]  # 5 x 5 pixels within the picture, and the other one 4 x 5


def test_parts_are_drawn_where_there_is_one_file(tmp_path):
    coco(tmp_path)
    dataset = CocoJson(str(tmp_path), share=0.2).load()
    numbers = [int(image[0, 0, 0]) for part in ("train", "val", "test") for image in getattr(dataset, part)["image"]]
    assert sorted(numbers) == list(range(10))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotations": []}, "no image has a box"),
        (
            {"annotations": [{"id": 1, "image_id": 9, "category_id": 7, "bbox": [0, 0, 1, 1]}]},
            "a box is of the image 9, which is not listed",
        ),
        ({"images": "none"}, "'images'"),
        ({"categories": []}, "a box is of the category 7, which is not listed"),
        ({"images": [{"id": 1, "file_name": "gone.png"}]}, r"names the picture 'gone\.png', and there is no such file"),
    ],
)
def test_files_that_describe_nothing_are_refused_in_one_line(changes, message, tmp_path):
    coco(tmp_path, **changes)
    with pytest.raises(UserError, match=message) as error:
        CocoJson(str(tmp_path)).load()
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_json_is_refused_in_one_line(tmp_path):
    (tmp_path / "train.json").write_text("{")
    with pytest.raises(UserError, match=r"train\.json': it is no valid JSON"):
        CocoJson(str(tmp_path)).load()
    with pytest.raises(UserError, match=r"there is no file train\.json"):
        CocoJson(str(tmp_path / "elsewhere")).load()
