"""Folders of picture files with masks, or with boxes as COCO has them."""

import json
import shutil
import unicodedata

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


def test_names_in_two_forms_of_unicode_are_one_name(masked):
    composed, apart = (unicodedata.normalize(form, "\u00e9t\u00e9.png") for form in ("NFC", "NFD"))
    (masked / "images/03.png").rename(masked / "images" / composed)
    (masked / "masks/03.png").rename(masked / "masks" / apart)
    dataset = ImageMasks(str(masked), size=(8, 12), share=0.2).load()
    assert sum(len(split["mask"]) for split in (dataset.train, dataset.val, dataset.test)) == NUM


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


def test_a_mask_of_another_shape_than_its_image_is_refused(masked):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter to be upright, which its mask is not
    path = masked / "images/03.png"
    with Image.open(path) as picture:
        picture.load()
    picture.save(path, exif=exif)
    with pytest.raises(UserError, match=r"masks/03.png' is 12 x 8, and its image 8 x 12 as one sees it"):
        ImageMasks(str(masked), size=(8, 12), share=0.2).load()
    picture.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    ImageMasks(str(masked), size=(8, 12), share=0.2).load()


def test_a_mask_may_be_smaller_than_its_image(masked):
    sizes = [(24, 16), (25, 17), (6, 4), (23, 16)]
    for place, size in enumerate(sizes):
        path = masked / f"images/{place:02}.png"
        with Image.open(path) as picture:
            picture.resize(size).save(path)
    ImageMasks(str(masked), size=(8, 12), share=0.2).load()


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
    with pytest.raises(UserError, match=r"there is no train\.json; name a folder"):
        CocoJson(str(tmp_path / "elsewhere")).load()


def test_pictures_of_a_palette_have_the_colours_that_are_named(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    mask = np.zeros((4, 6, 3), np.uint8)
    mask[1:3, 2:5] = (128, 64, 128)
    mask[0, 0] = (9, 9, 9)
    for place in range(6):
        Image.fromarray(mask).save(tmp_path / "images" / f"{place}.png")
        forms = Image.fromarray(mask), Image.fromarray(mask).convert("P", palette=Image.Palette.ADAPTIVE, colors=3)
        forms[place % 2].save(tmp_path / "masks" / f"{place}.png")
    colors = ("#000000", "#804080")
    source = ImageMasks(str(tmp_path), size=(4, 6), class_names=("sky", "road"), colors=colors)
    expected = np.where(mask[..., 0] == 128, 1, np.where(mask[..., 0] == 9, 255, 0))
    for part in ("train", "val", "test"):
        assert (getattr(source.load(), part)["mask"] == expected).all()
    with pytest.raises(UserError, match=r"no pixel has one of data\.colors, the first one is #090909"):
        ImageMasks(str(tmp_path), size=(4, 6), class_names=("sky", "road"), colors=("red", "blue")).load()


def test_two_pictures_of_one_name_are_refused(masked):
    Image.new("RGB", (12, 8)).save(masked / "images" / "03.jpg")
    with pytest.raises(UserError, match=r"'03.jpg' and '03.png' .* have one name but for what follows the dot"):
        ImageMasks(str(masked)).load()


def turned(tmp_path, **changes):
    """A picture that lies on its side in its file, 80 x 40 pixels, and is upright 40 x 80, white in a box."""
    pixels = np.zeros((80, 40), np.uint8)
    pixels[10:30, 5:25] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter to be upright
    Image.fromarray(np.rot90(pixels)).save(tmp_path / "side.png", exif=exif)
    images = [{"id": 1, "file_name": "side.png", **changes}]
    boxes = [{"image_id": 1, "category_id": 7, "bbox": [5, 10, 20, 20]}]
    record = {"images": images, "categories": [{"id": 7, "name": "white"}], "annotations": boxes}
    for part in ("train", "val", "test"):
        (tmp_path / f"{part}.json").write_text(json.dumps(record))
    return CocoJson(str(tmp_path), size=(80, 40), channels=1)


@pytest.mark.parametrize("size", [{}, {"width": 40, "height": 80}])
def test_boxes_lie_on_pictures_that_are_turned_upright(size, tmp_path):
    split = turned(tmp_path, **size).load().train
    top, left, bottom, right = (split["boxes"][0, 0] * [80, 40, 80, 40]).round().astype(int)
    assert split["image"][0, top:bottom, left:right].min() > 200
    assert split["image"][0].sum() == split["image"][0, top:bottom, left:right].sum()


@pytest.mark.parametrize("size", [{"width": 80, "height": 40}, {"width": 20, "height": 160}, {"width": 0}])
def test_a_size_that_is_not_the_pictures_is_refused(size, tmp_path):
    with pytest.raises(UserError, match=r"says that 'side.png' is .* and upright it is 40 x 80"):
        turned(tmp_path, **size).load()


def test_what_is_listed_twice_or_cannot_be_read_is_refused(tmp_path):
    coco(tmp_path)
    record = json.loads((tmp_path / "train.json").read_text())
    record["images"][1]["id"] = record["images"][0]["id"]
    (tmp_path / "train.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="two of its images have the id"):
        CocoJson(str(tmp_path)).load()
    source = turned(tmp_path)
    (tmp_path / "side.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="cannot be read as a picture"):
        source.load()


def test_a_mark_before_the_json_is_no_part_of_it(tmp_path):
    coco(tmp_path)
    path = tmp_path / "train.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(CocoJson(str(tmp_path)).load().class_names)


@pytest.mark.parametrize("name", ["val", "valid", "Validation", "dev"])
def test_a_part_may_be_called_as_people_call_it(name, masked):
    root = masked / "parts"
    for part in ("train", name, "test"):
        for kind in ("images", "masks"):
            shutil.copytree(masked / kind, root / part / kind)
    dataset = ImageMasks(str(root), size=(8, 12)).load()
    assert [len(split["mask"]) for split in (dataset.train, dataset.val, dataset.test)] == [NUM] * 3
    shutil.copytree(root / name, root / "vAL" if name != "val" else root / "valid")
    with pytest.raises(UserError, match="are both folders of validation examples; take one away"):
        ImageMasks(str(root), size=(8, 12)).load()


def test_a_file_of_a_part_may_be_called_as_people_call_it(tmp_path):
    for part, num in (("train", 10), ("valid", 7), ("test", 8)):
        coco(tmp_path, part, num)
    dataset = CocoJson(str(tmp_path)).load()
    assert [len(split["labels"]) for split in (dataset.train, dataset.val, dataset.test)] == [10, 7, 8]


@pytest.mark.parametrize("names", [("val", "valid"), ("Train", "train")])
def test_two_files_of_one_part_are_named(names, tmp_path):
    for part in {"train", *names}:
        coco(tmp_path, part)
    with pytest.raises(UserError, match=rf"'{names[0]}\.json' and '{names[1]}\.json' are both files of \w+ examples"):
        CocoJson(str(tmp_path)).load()


def test_a_file_of_a_part_that_is_a_link_to_nothing_is_named(tmp_path):
    coco(tmp_path)
    (tmp_path / "val.json").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"val\.json' is a link to 'nowhere', which is not there"):
        CocoJson(str(tmp_path)).load()


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_pictures_in_a_folder_below_are_refused(kind, masked):
    (masked / kind / "more" / "deeper").mkdir(parents=True)
    ImageMasks(str(masked), size=(8, 12)).load()
    shutil.copy(masked / kind / "03.png", masked / kind / "more" / "deeper" / "20.png")
    with pytest.raises(UserError, match=rf"{kind}/more' has pictures, and all of a part have to lie side by side in"):
        ImageMasks(str(masked), size=(8, 12)).load()


def test_images_beside_parts_are_refused(masked):
    for kind in ("images", "masks"):
        shutil.copytree(masked / kind, masked / "train" / kind)
    with pytest.raises(UserError, match=r"images' is in no part \(train\); move it into one, or take it away"):
        ImageMasks(str(masked), size=(8, 12)).load()
