import torch
import torch.nn.functional as F
from torch import nn

from tools.gpu_crops import UNLABELED
from tools.gpu_distillation import Teacher, distillation_loss, resized, smoothed_loss, soft_labels


def test_a_mixed_view_has_the_loss_of_both_labels_by_their_shares():
    logits = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    targets, other, share = torch.tensor([1, 3]), torch.tensor([1, 0]), torch.tensor([0.75, 1.0])
    found = smoothed_loss(logits, targets, other, share, 0.1)
    one, two = (F.cross_entropy(logits[:1], targets[i : i + 1], label_smoothing=0.1) for i in (0, 1))
    torch.testing.assert_close(found[0], 0.75 * one + 0.25 * two)
    torch.testing.assert_close(found[1], F.cross_entropy(logits[1:], targets[1:], label_smoothing=0.1))


def test_an_unknown_label_costs_nothing():
    logits = torch.randn(2, 4)
    targets = torch.tensor([UNLABELED, 2])
    found = smoothed_loss(logits, targets, torch.tensor([0, 1]), torch.ones(2), 0.1)
    assert found[0] == 0 and found[1] > 0


def test_a_student_that_answers_as_its_teachers_has_no_loss():
    logits = torch.randn(3, 5)
    views = torch.zeros(3, 3, 8, 8)
    answers = nn.Identity()
    answers.forward = lambda x: logits  # type: ignore[method-assign]
    teachers = [Teacher(answers, 8, torch.contiguous_format)] * 2
    soft = soft_labels(teachers, views, 2.0)
    torch.testing.assert_close(soft, (logits / 2).softmax(dim=1))
    assert distillation_loss(logits, soft, 2.0).abs().max() < 1e-5
    assert (distillation_loss(torch.randn(3, 5), soft, 2.0) > 0).all()


def test_views_shrink_without_aliasing_and_stay_as_they_are_at_their_size():
    stripes = torch.tensor([-1.0, 1.0]).repeat(32).expand(1, 3, 64, 64)
    assert resized(stripes, 64) is stripes
    assert resized(stripes, 16)[..., 2:-2].abs().max() < 0.1
