import json
import time
import zipfile
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from core.images.crops import normalize_pixels, to_square, to_tensor
from core.inference.classifier import Classifier
from core.models.cards import WEIGHTS_FOLDER, card_path, read_card
from core.models.weights import save_weights
from tools.classifier_recipe import LABELS, GpuClassifierRecipe
from tools.efficientnet_lite import EfficientNetLite
from tools.gpu_classifier import ClassifierRun, load_pictures, train_classifier
from tools.gpu_trainer import Schedule

CATEGORIES = ("bag", "top")
QUICK = GpuClassifierRecipe(
    cache_side=64, teacher_sides=(64,), teacher_passes=0.0, teacher=Schedule(1e-3, batch=4),
    student=Schedule(1e-3, batch=4),
)  # fmt: skip


def photo(index, split, of):
    """A photo's bytes and its entry: catalog photos red or green, people half blue."""
    image = Image.new("RGB", (60, 80), (220, 30, 30) if index % 2 else (30, 200, 40))
    buffer = BytesIO()
    image.save(buffer, "PNG")
    known = of == "catalog"
    boxes = [[5, 5, 40, 50]] if known else [[0, 0, 30, 30], [20, 30, 58, 78]]
    return buffer.getvalue(), {
        "set": of, "file": f"{of}/{split}{index}.png", "part": "photos-0.zip", "width": 60, "height": 80,
        "boxes": boxes, "category_ids": [1] if known else [0, 1], "split": split, "sender": "7",
        "labels": [("Shirt", "Hoodie")[index % 2]] if known else ["Bag", None], "box": "derived",
    }  # fmt: skip


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """A pack of twelve photos with a teacher's weights as they come from chance."""
    folder = tmp_path_factory.mktemp("pack")
    wanted = [(i, "train", "catalog") for i in range(6)] + [(i, "train", "street") for i in range(2)]
    wanted += [(i, "val", "catalog") for i in range(2)] + [(i, "val", "street") for i in range(2)]
    made = [photo(*one) for one in wanted]
    with zipfile.ZipFile(folder / "photos-0.zip", "w") as archive:
        for content, entry in made:
            archive.writestr(entry["file"], content)
    document = {"categories": CATEGORIES, "photos": [entry for _, entry in made]}
    (folder / "index.json").write_text(json.dumps(document))
    torch.manual_seed(0)
    save_weights(EfficientNetLite("lite2"), folder / "weights" / "efficientnet-lite2.safetensors")
    return folder


def test_the_labels_are_those_that_ship():
    card = card_path(WEIGHTS_FOLDER / "classifier.safetensors")
    assert json.loads(card.read_text())["categories"] == list(LABELS)


def test_a_pack_gives_pictures_of_each_source_and_no_validation_photo_to_train_on(pack):
    pictures = load_pictures(pack, torch.device("cpu"), QUICK)
    assert len(pictures.train) == 6 * 2 + 2 * 2
    assert {source: len(cache) for source, cache in pictures.val.items()} == {"catalog": 2, "street": 2}
    assert pictures.labeled_only().passes < pictures.passes


def test_a_run_writes_weights_that_the_product_loads_and_that_answer_as_the_average_does(pack, tmp_path):
    deadline = time.monotonic() + 1e6
    run = ClassifierRun(
        pack, tmp_path, deadline=deadline, device=torch.device("cpu"), recipe=QUICK, most_steps=2
    )
    model = run.run(load_pictures(pack, torch.device("cpu"), QUICK))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classifier.json", "classifier.safetensors"]
    card = read_card(tmp_path / "classifier.safetensors")
    stages = card.training["stages"]
    assert [stage["stage"] for stage in stages] == ["teacher 64", "student"]
    assert card.training["images_seen"] == sum(stage["images"] for stage in stages) == 16
    assert set(card.metrics) == {"validation_top1", "validation_top5", "validation_loss"}
    image = Image.radial_gradient("L").convert("RGB")
    with torch.no_grad():
        wanted = model.eval()(normalize_pixels(to_tensor(to_square(image))[None])).softmax(dim=1)
    found = Classifier.load(tmp_path / "classifier.safetensors").probabilities([image])
    np.testing.assert_allclose(found, wanted, atol=2e-3, rtol=0)


def test_without_a_teachers_weights_the_student_learns_from_labels(pack, tmp_path, monkeypatch):
    monkeypatch.setattr("tools.gpu_classifier.WARM_STEPS", 1)
    monkeypatch.setattr("tools.gpu_classifier.SPEED_STEPS", 1)
    bare = tmp_path / "pack"
    bare.mkdir()
    for name in ("index.json", "photos-0.zip"):
        (bare / name).write_bytes((pack / name).read_bytes())
    facts = train_classifier(
        bare, tmp_path / "out", deadline=time.monotonic() + 1e6, device="cpu", recipe=QUICK, smoke=True
    )
    assert [stage["stage"] for stage in facts["stages"]] == ["student"]
    assert (tmp_path / "out" / "classifier.safetensors").is_file()


def test_a_run_whose_time_is_over_still_writes_the_weights_it_has(pack, tmp_path):
    facts = train_classifier(
        pack, tmp_path, deadline=time.monotonic() - 1, device="cpu", recipe=QUICK, teachers=False
    )
    assert facts["images_seen"] == 0
    assert Classifier.load(tmp_path / "classifier.safetensors").card.categories == LABELS
