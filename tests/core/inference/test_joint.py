"""The joint decision, worked by hand on small distributions."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.errors import WeightsError
from core.inference.joint import (
    JointWeights,
    area_shares,
    category_evidence,
    joint_distribution,
    joint_labels,
    joint_scores,
    label_matrix,
    read_joint_weights,
    score_features,
    suppress_same_garment,
)

CATEGORIES = ("top", "skirt", "boots")
LABELS = ("Shirt", "Polo", "Skirt", "Rug")
MATRIX = label_matrix(LABELS, CATEGORIES, {"Shirt": ("top",), "Polo": ("top",)})


def test_labels_belong_to_their_categories_by_taxonomy_or_by_name():
    assert MATRIX.tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_a_label_can_belong_to_two_categories():
    assert label_matrix(("Shoes",), ("footwear", "boots"), {"Shoes": ("footwear", "boots")}).tolist() == [
        [1, 1]
    ]


def test_the_two_distributions_are_multiplied_and_normalized():
    """d = (0.6, 0.4), q = (0.3, 0.7): products 0.18 and 0.28, so 0.391 and 0.609; the classifier turns it."""
    matrix = np.eye(2)
    pooled, evidence = joint_distribution(
        np.array([[0.3, 0.2]]), np.array([[0.3, 0.7]]), matrix, JointWeights()
    )
    assert evidence.tolist() == [[0.3, 0.7]]
    assert pooled[0] == pytest.approx([0.18 / 0.46, 0.28 / 0.46], abs=1e-3)


def test_powers_say_how_much_each_model_counts():
    """With the classifier's power 0 the detector's distribution is left, with its own 0 the classifier's."""
    scores, labels = np.array([[0.3, 0.2]]), np.array([[0.3, 0.7]])
    alone, _ = joint_distribution(scores, labels, np.eye(2), JointWeights(classifier_power=0.0))
    other, _ = joint_distribution(scores, labels, np.eye(2), JointWeights(detector_power=0.0))
    assert alone[0] == pytest.approx([0.6, 0.4], abs=1e-3)
    assert other[0] == pytest.approx([0.3, 0.7], abs=1e-3)


def test_a_category_without_labels_keeps_the_odds_that_the_detector_gives_it():
    """d = (0.2, 0.3, 0.5), q = (0.9, 0.1): boots expect (0.2*0.9 + 0.3*0.1) / 0.5 = 0.42, and stay at 0.5."""
    scores, labels = np.array([[0.2, 0.3, 0.5]]), np.array([[0.5, 0.4, 0.1, 0.0]])
    evidence = category_evidence(scores, labels, MATRIX)
    assert evidence[0] == pytest.approx([0.9, 0.1, 0.42])
    pooled, _ = joint_distribution(scores, labels, MATRIX, JointWeights())
    assert pooled[0] == pytest.approx([0.18 / 0.42, 0.03 / 0.42, 0.5], abs=2e-3)


def test_where_nothing_is_mapped_the_detector_decides_alone():
    scores = np.array([[0.2, 0.3]])
    pooled, _ = joint_distribution(scores, np.array([[1.0]]), np.zeros((1, 2)), JointWeights())
    assert pooled[0] == pytest.approx([0.4, 0.6], abs=1e-3)


def test_the_first_label_is_one_of_the_category_that_was_decided():
    """The classifier says Skirt 0.5, the pooled decision is top: Shirt and Polo lead, Skirt stays below."""
    labels, pooled = np.array([[0.3, 0.15, 0.5, 0.05]]), np.array([[0.55, 0.45, 0.0]])
    told = joint_labels(labels, pooled, np.array([0]), MATRIX)
    assert told.sum() == pytest.approx(1.0)
    assert LABELS[int(told[0].argmax())] == "Shirt"
    assert told[0, 0] > told[0, 2] > told[0, 1]  # 0.55 * 2/3 = 0.37, capped below that, 0.55 / 3 = 0.18
    assert told[0, 0] / told[0, 1] == pytest.approx(2.0)


def test_a_category_without_labels_leaves_the_classifiers_answer():
    labels = np.array([[0.3, 0.15, 0.5, 0.05]])
    assert np.array_equal(joint_labels(labels, np.array([[0.1, 0.1, 0.8]]), np.array([2]), MATRIX), labels)


@pytest.mark.parametrize("mapped", [1e-2, 1e-4, 1e-6, 1e-9])
def test_a_sure_detector_of_a_category_without_labels_is_not_held_against_it(mapped):
    matrix = np.array([[1.0, 0.0]])  # one label, of the first category; nothing maps to the second
    distribution = np.array([[mapped, 1 - mapped]])
    assert category_evidence(distribution, np.array([[1.0]]), matrix)[0] == pytest.approx([1.0, 1.0])


def test_the_score_is_a_logistic_regression():
    """s = 0.8, P = 0.5, q = 1, a quarter of the photo: logit(0.8) = log 4, logit(0.5) = 0, log 1 = 0."""
    shares = area_shares(np.array([[0.0, 0.0, 10.0, 5.0]]), (20, 10))
    assert shares.tolist() == [0.25]
    features = score_features(
        np.array([[0.8, 0.1]]), np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]), np.array([0]), shares
    )
    assert features[0] == pytest.approx([np.log(4), 0.0, 0.0, -np.log(4)], abs=1e-3)
    assert joint_scores(features, JointWeights(area_log=1.0))[0] == pytest.approx(0.5, abs=1e-6)
    assert joint_scores(features, JointWeights())[0] == pytest.approx(0.8, abs=1e-6)
    assert joint_scores(features, JointWeights(intercept=-np.log(4)))[0] == pytest.approx(0.5, abs=1e-6)


def test_two_boxes_of_one_garment_become_one_unless_the_classifier_sees_two():
    iou = np.array([[1.0, 0.9], [0.9, 1.0]])
    scores, chosen = np.array([0.4, 0.8]), np.array([1, 0])

    def stay(evidence: list[list[float]]) -> list[int]:
        return suppress_same_garment(
            iou, scores, chosen, np.array(evidence), nms_iou=0.5, same_garment_iou=0.7
        ).tolist()

    assert stay([[0.8, 0.2], [0.9, 0.1]]) == [1]  # the skirt's crop is a top to the classifier: one garment
    assert stay([[0.2, 0.8], [0.9, 0.1]]) == [1, 0]  # it takes each crop for its own category: two garments


def test_boxes_of_one_joint_category_pass_nms():
    iou = np.array([[1.0, 0.6, 0.1], [0.6, 1.0, 0.1], [0.1, 0.1, 1.0]])
    stay = suppress_same_garment(
        iou,
        np.array([0.5, 0.9, 0.3]),
        np.array([0, 0, 0]),
        np.ones((3, 1)),
        nms_iou=0.5,
        same_garment_iou=0.7,
    )
    assert stay.tolist() == [1, 2]


def test_no_boxes_give_no_answers():
    none = np.zeros((0, 3))
    pooled, evidence = joint_distribution(none, np.zeros((0, 4)), MATRIX, JointWeights())
    assert pooled.shape == evidence.shape == (0, 3)
    features = score_features(none, pooled, evidence, np.zeros(0, dtype=int), np.zeros(0))
    assert features.shape == (0, 4)
    assert joint_labels(np.zeros((0, 4)), pooled, np.zeros(0, dtype=int), MATRIX).shape == (0, 4)
    kept = suppress_same_garment(
        np.zeros((0, 0)), np.zeros(0), np.zeros(0, int), evidence, nms_iou=0.5, same_garment_iou=0.7
    )
    assert kept.shape == (0,)


def test_weights_come_from_their_file_or_are_the_defaults(tmp_path):
    path = tmp_path / "labeler.json"
    assert read_joint_weights(path) == JointWeights()
    path.write_text(json.dumps({"weights": {"detector_power": 0.5}, "notes": ""}))
    assert read_joint_weights(path) == JointWeights(detector_power=0.5)


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"weights": {"speed": 1}}', '{"weights": {"intercept": NaN}}']
)
def test_a_file_of_something_else_is_refused(tmp_path, content):
    path = tmp_path / "labeler.json"
    path.write_text(content)
    with pytest.raises(WeightsError):
        read_joint_weights(path)
