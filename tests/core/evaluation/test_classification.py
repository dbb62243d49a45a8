import json

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, top_k_accuracy_score

from core.errors import DatasetError
from core.evaluation.classification import evaluate_classification


def random_problem(seed, photos=200, labels=7):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, labels, photos)
    logits = rng.normal(size=(photos, labels)) + 1.5 * np.eye(labels)[targets]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), targets


@pytest.mark.parametrize("seed", range(3))
def test_the_figures_agree_with_scikit_learn(seed):
    probabilities, targets = random_problem(seed)
    report = evaluate_classification(probabilities, targets, n_bootstrap=0)
    for k, ours in ((1, report.top1), (3, report.top3), (5, report.top5)):
        assert ours == pytest.approx(top_k_accuracy_score(targets, probabilities, k=k))
    guesses = probabilities.argmax(axis=1)
    assert (report.confusion == confusion_matrix(targets, guesses)).all()
    precision, recall, _, count = precision_recall_fscore_support(targets, guesses)
    assert [figures.precision for figures in report.labels.values()] == pytest.approx(precision)
    assert [figures.recall for figures in report.labels.values()] == pytest.approx(recall)
    assert [figures.photos for figures in report.labels.values()] == count.tolist()


def test_the_figures_of_a_case_worked_out_by_hand():
    probabilities = np.array(
        [
            [0.4, 0.3, 0.15, 0.1, 0.04, 0.01],
            [0.4, 0.3, 0.15, 0.1, 0.04, 0.01],
            [0.4, 0.3, 0.15, 0.1, 0.04, 0.01],
        ]
    )
    report = evaluate_classification(probabilities, np.array([0, 2, 5]), list("abcdef"), n_bootstrap=0)
    assert (report.top1, report.top3, report.top5) == pytest.approx((1 / 3, 2 / 3, 2 / 3))
    assert report.labels["a"].precision == pytest.approx(1 / 3)
    assert (report.labels["a"].recall, report.labels["c"].recall) == (1.0, 0.0)
    assert report.confusion[5].tolist() == [1, 0, 0, 0, 0, 0]


def test_perfect_probabilities_have_every_figure_at_one():
    report = evaluate_classification(np.eye(6), np.arange(6), n_bootstrap=30)
    assert (report.top1, report.top3, report.top5) == (1.0, 1.0, 1.0)
    assert report.intervals["top1"] == (1.0, 1.0)


def test_a_label_without_photos_is_unknown_and_not_zero():
    report = evaluate_classification(np.array([[0.9, 0.1, 0.0]]), np.array([0]), n_bootstrap=10)
    assert report.as_dict()["classes"]["1"] == {
        "photos": 0,
        "recall": None,
        "precision": None,
        "recall_interval": None,
    }


def test_equal_probabilities_rank_in_the_labels_order():
    flat = np.full((2, 6), 1 / 6)
    report = evaluate_classification(flat, np.array([0, 5]), n_bootstrap=0)
    assert (report.top1, report.top5) == (0.5, 0.5)


def test_the_interval_of_photos_is_near_the_binomial_one():
    probabilities, targets = random_problem(1, photos=400)
    report = evaluate_classification(probabilities, targets, n_bootstrap=4000)
    low, high = report.intervals["top1"]
    expected = 2 * 1.96 * np.sqrt(report.top1 * (1 - report.top1) / 400)
    assert low < report.top1 < high
    assert high - low == pytest.approx(expected, rel=0.1)


def test_resampling_senders_of_like_photos_widens_the_interval():
    probabilities, targets = random_problem(2, photos=40)
    like = np.repeat(np.arange(40), 10)
    by_photo = evaluate_classification(probabilities[like], targets[like])
    by_sender = evaluate_classification(
        probabilities[like], targets[like], groups=[f"sender {i}" for i in like]
    )
    alone = evaluate_classification(probabilities, targets)
    assert np.ptp(by_sender.intervals["top1"]) > 2.5 * np.ptp(by_photo.intervals["top1"])
    assert np.ptp(by_sender.intervals["top1"]) == pytest.approx(np.ptp(alone.intervals["top1"]), rel=0.1)
    assert (by_sender.groups, by_photo.groups) == (40, 400)


def test_the_report_is_the_contracts_json():
    probabilities, targets = random_problem(3)
    figures = evaluate_classification(probabilities, targets, skipped=4, n_bootstrap=20).as_dict()
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert {"top1", "top3", "top5", "photos", "skipped", "classes", "confusion", "intervals"} <= set(figures)
    assert (figures["photos"], figures["skipped"]) == (200, 4)


@pytest.mark.parametrize(
    ("probabilities", "targets", "labels", "groups", "sentence"),
    [
        (np.zeros((0, 3)), np.zeros(0, dtype=int), None, None, "at least one photo"),
        (np.zeros((2, 3)), np.zeros(3, dtype=int), None, None, "targets and groups"),
        (np.zeros((2, 3)), np.zeros(2, dtype=int), None, ["a"], "targets and groups"),
        (np.zeros((2, 3)), np.zeros(2, dtype=int), ["a", "b"], None, "each of 2 labels, got 3"),
        (np.zeros((2, 3)), np.array([0, 3]), None, None, "targets in 0..2, got 0..3"),
        (np.full((1, 3), np.nan), np.array([0]), None, None, "finite"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_a_sentence(
    probabilities, targets, labels, groups, sentence
):
    with pytest.raises(DatasetError, match=sentence):
        evaluate_classification(probabilities, targets, labels, groups)
