"""The command line as others script against it: what is on stdout, what on stderr, and the exit status."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.__main__ import app, main
from core.cli import label, train
from core.errors import RecipeError
from core.training.recipes import TrainingOptions
from tests.pictures import jpeg
from tests.weights import FEW, drawn_photo

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line on stderr, of a command that said nothing else."""
        assert self.out == "" and self.err.count("\n") == 1
        return self.err.strip()


Shell = Callable[..., Ran]


@pytest.fixture
def lapel(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Runs ``python -m core`` in this process."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["python -m core", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        printed = capsys.readouterr()
        return Ran(int(left.value.code or 0), printed.out, printed.err)

    return run


def in_a_shell(*arguments: object) -> Ran:
    command = [sys.executable, "-m", "core", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.timeout(900)  # it loads torch anew, which a busy machine may do slowly
def test_label_puts_json_lines_and_nothing_else_on_stdout(tiny_weights: Path, tmp_path: Path) -> None:
    drawn_photo(FEW).image.save(tmp_path / "coat.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    weights = [f"--weights={tiny_weights / kind}.safetensors" for kind in ("detector", "classifier")]
    names = [tmp_path / name for name in ("broken.jpg", "missing.jpg", "coat.png")]
    ran = in_a_shell("label", *names, *weights, "--json", "--out", tmp_path / "boxes")
    assert (ran.status, ran.err) == (1, "")
    broken, missing, coat = (json.loads(line) for line in ran.out.splitlines())
    assert list(broken) == list(missing) == ["photo", "error"]
    assert (broken["photo"], missing["photo"], coat["photo"]) == ("broken.jpg", "missing.jpg", "coat.png")
    assert len(coat["garments"]) == 2
    assert [path.name for path in (tmp_path / "boxes").iterdir()] == ["coat_labeled.jpg"]


def test_help_comes_without_the_heavy_libraries() -> None:
    code = (
        "import sys; from core.__main__ import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'torchvision', 'numpy', 'sklearn', 'scipy', 'lightning', 'pandas', 'PIL',"
        " 'sqlalchemy', 'dbos'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    for command in ("label", "explain", "anchors", "summary", "train", "evaluate", "distill"):
        assert command in done.stdout


def test_missing_weights_are_one_sentence_and_status_two(
    lapel: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    for module in ("core.inference.detector", "core.inference.classifier", "core.models.cards"):
        monkeypatch.setattr(f"{module}.WEIGHTS_FOLDER", tmp_path)
    for command in (
        ("label", tmp_path / "a.jpg"),
        ("explain", tmp_path / "a.jpg", "--out", tmp_path / "maps"),
    ):
        ran = lapel(*command)
        assert ran.status == 2
        assert ran.sentence == (
            "lapel: expected the model's card detector.json beside its weights, found none"
        )
    assert lapel("evaluate", "classifier", "val.csv").status == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("explain", "missing.jpg", "--out", "maps"), r"lapel: missing.jpg: There is no such file."),
        (("anchors", "missing.json"), "lapel: missing.json: a COCO file"),
        (("summary", "yolov9"), "lapel: expected a model of yolov4, "),
        (("summary", "ssd", "--size", "200"), "lapel: ssd takes pictures of 300 pixels"),
        (("evaluate", "yolo", "val.json"), "lapel: expected detector, classifier or a .safetensors file"),
        (("evaluate", "none.safetensors", "val.json"), "lapel: expected the model's card none.json"),
        (("train", "segmenter", "--data", "a", "--val", "b"), "lapel: expected to train a detector or"),
        (("distill", "nowhere", "--teacher", "t"), "lapel: expected at least 20 photos"),
    ],
)
def test_what_a_person_can_mend_is_a_sentence_without_a_trace(
    lapel: Shell, arguments: tuple[str, ...], sentence: str
) -> None:
    ran = lapel(*arguments)
    assert ran.status == 2
    assert ran.sentence.startswith(sentence)


def test_a_bug_keeps_its_trace(lapel: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("core.images.decode.open_photo", fail)
    monkeypatch.setattr(sys, "argv", ["core", "explain", "a.jpg", "--out", "maps"])
    with pytest.raises(ZeroDivisionError):
        main()


@pytest.mark.parametrize(
    "arguments",
    [
        ("label",),
        ("label", "a.jpg", "--threshold", "1.5"),
        ("label", "a.jpg", "--threshold", "high"),
        ("explain", "a.jpg"),
        ("train", "detector", "--data", "a", "--val", "b", "--epochs", "0"),
        ("summarize", "yolov4"),
    ],
)
def test_wrong_usage_is_told_as_usual(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "Usage" in result.output


@pytest.mark.parametrize(
    ("arguments", "passed"),
    [
        (("a.jpg",), {"threshold": None, "weights": (), "out": None, "fps": None}),
        (
            ("a.jpg", "--json", "--threshold", "0.4"),
            {"threshold": 0.4, "weights": (), "out": None, "fps": None},
        ),
        (("a.jpg", "--out", "boxes"), {"threshold": None, "weights": (), "out": Path("boxes"), "fps": None}),
        (
            ("a.jpg", "--weights", "d.safetensors", "--weights", "c.safetensors"),
            {
                "threshold": None,
                "weights": [Path("d.safetensors"), Path("c.safetensors")],
                "out": None,
                "fps": None,
            },
        ),
    ],
)
def test_label_passes_on_what_was_said(
    arguments: tuple[str, ...], passed: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    def record(photos: list[Path], **settings: object) -> int:
        calls.append((photos, settings))
        return 1

    monkeypatch.setattr(label, "label", record)
    assert CliRunner().invoke(app, ("label", *arguments)).exit_code == 1
    assert calls == [([Path("a.jpg")], passed | {"device": "auto"})]


def test_train_passes_on_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(train, "train", lambda *arguments: calls.append(arguments))
    base = ("train", "detector", "--data", "train.json", "--val", "val.json")
    assert CliRunner().invoke(app, base).exit_code == 0
    more = shlex.split(
        "--model yolov4 --preset nano --size 320 --anchors darknet --epochs 9 --seed 1 --batch 4 "
        "--pretrained b --masks m --extra x --extra y "
        "--device cpu --workers 2 --out runs/one --resume"
    )
    assert CliRunner().invoke(app, (*base, *more)).exit_code == 0
    plain = TrainingOptions(Path("train.json"), Path("val.json"))
    full = TrainingOptions(
        Path("train.json"), Path("val.json"), model="yolov4", preset="nano", size=320, anchors="darknet",
        epochs=9, seed=1, batch=4, pretrained=Path("b"), masks=Path("m"), extra=(Path("x"), Path("y")),
        device="cpu", workers=2, out=Path("runs/one"), resume=True,
    )  # fmt: skip
    assert calls == [("detector", plain), ("detector", full)]


def test_several_sets_are_trained_on_together(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[TrainingOptions] = []
    monkeypatch.setattr(train, "train", lambda _, options: calls.append(options))
    said = "train detector --data a.json --data b.json:0.5 --data c.json --val v.json --unlabeled b.json:belt"
    assert CliRunner().invoke(app, said.split()).exit_code == 0
    (options,) = calls
    assert (options.data, options.extra) == (Path("a.json"), (Path("b.json"), Path("c.json")))
    assert [options.share_of(Path(name), 0.08) for name in ("a.json", "b.json", "c.json", "x")] == [
        1,
        0.5,
        1,
        0.08,
    ]
    assert options.unlabeled == {Path("b.json"): ("belt",)}


FILE_OPTIONS = (
    "val v.json", "preset pico", "epochs 3", "seed 1", "batch 2", "pretrained w", "masks m", "extra x",
    "unlabeled a:belt", "devices 1", "workers 0", "out runs/latest", "resume",
)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        *((f"--revision 1 --{said}", f"--{said.split()[0]} goes with") for said in FILE_OPTIONS),
        ("--revision latest --data a --data b", "expected one --data with --revision"),
        ("--data a.json --val v.json --quick", "--quick goes with --revision"),
    ],
)
def test_train_refuses_an_option_that_it_would_not_heed(said: str, sentence: str) -> None:
    raised = CliRunner().invoke(app, ["train", "detector", *said.split()]).exception
    assert isinstance(raised, RecipeError) and str(raised).startswith(sentence)


def test_train_on_a_revision_takes_the_stores_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(train, "train_revision", lambda *told, **settings: calls.append((*told, settings)))
    said = "train classifier --revision 3 --quick --device cpu --data store"
    assert CliRunner().invoke(app, said.split()).exit_code == 0
    assert calls == [
        ("classifier", "3", {"quick": True, "device": "cpu", "data": Path("store"), "anchors": None})
    ]


def test_anchors_by_the_shell(lapel: Shell, tmp_path: Path) -> None:
    boxes = [[0, 0, 10, 20], [0, 0, 40, 40], [0, 0, 10, 20]]
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 104, "height": 52}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1, "bbox": box} for n, box in enumerate(boxes)
        ],
        "categories": [{"id": 1, "name": "top"}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(document))
    ran = lapel("anchors", tmp_path / "coco.json", "--clusters", 2, "--size", 208, "--json")
    assert ran.status == 0 and ran.err == ""
    told = json.loads(ran.out)
    assert told["anchors"] == [[20.0, 40.0], [80.0, 80.0]], "twice as large at 208 pixels as at 104"
    assert (told["mean_iou"], told["boxes"]) == (1.0, 3)
