import torch
from safetensors.torch import save_file
from torch import nn

from tools.eight_bit_weights import quantize, read_carried, restore, restored_file


def test_kernels_come_back_within_half_a_step_of_their_channel():
    state = {"w": torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(0)), "b": torch.ones(6)}
    small = quantize(state)
    assert small["w"].dtype == torch.int8 and small["b"].dtype == torch.float16
    whole = restore(small)
    step = state["w"].flatten(1).abs().amax(dim=1) / 127
    error = (whole["w"] - state["w"]).square().flatten(1).mean(dim=1).sqrt()
    assert (error <= 0.5 * step).all()
    assert set(whole) == set(state)


def test_a_channel_of_zeros_stays():
    assert restore(quantize({"w": torch.zeros(2, 3)}))["w"].tolist() == [[0, 0, 0], [0, 0, 0]]


def test_files_read_the_same_whether_quantized_or_not(tmp_path):
    torch.manual_seed(0)
    model = nn.Linear(8, 4)
    plain, small = tmp_path / "plain.safetensors", tmp_path / "small.safetensors"
    save_file(model.state_dict(), plain)
    save_file(quantize(model.state_dict()), small)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(read_carried(plain)[name], value)
        torch.testing.assert_close(read_carried(small)[name], value, atol=5e-3, rtol=0)
    (tmp_path / "other").mkdir()
    again = read_carried(restored_file(small, tmp_path / "other"))
    torch.testing.assert_close(again, read_carried(small))
