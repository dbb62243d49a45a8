"""Attention-augmented convolution (Bello et al. 2019): convolution and multi-head self-attention together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.errors import RecipeError


class AttentionAugmentedConv(nn.Module):
    """3x3 convolution to ``c_out - value_depth`` channels beside self-attention of ``value_depth``.

    Self-attention runs over all H x W places with relative position encodings: one table of ``2 * size - 1``
    rows by ``key_depth / heads`` for each axis (Bello et al. 2019, eq. 3 and 4). The convolution and the qkv
    projection have a bias, the output projection has none: a reconstruction that meets the poster's parameter
    count.

    Input (B, c_in, size, size); output (B, c_out, size, size).
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        *,
        size: int = 7,
        heads: int = 8,
        key_depth: int = 160,
        value_depth: int = 200,
    ) -> None:
        super().__init__()
        if key_depth % heads or value_depth % heads:
            raise RecipeError(
                f"key and value depth ({key_depth}, {value_depth}) must divide by {heads} heads"
            )
        self.size, self.heads, self.key_depth, self.value_depth = size, heads, key_depth, value_depth
        self.conv = nn.Conv2d(c_in, c_out - value_depth, 3, padding=1)
        self.qkv = nn.Conv2d(c_in, 2 * key_depth + value_depth, 1)
        self.project = nn.Conv2d(value_depth, value_depth, 1, bias=False)
        head_depth = key_depth // heads
        self.relative_height = nn.Parameter(torch.randn(2 * size - 1, head_depth) * head_depth**-0.5)
        self.relative_width = nn.Parameter(torch.randn(2 * size - 1, head_depth) * head_depth**-0.5)

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (scaled), keys and values, each (B, heads, H*W, depth)."""
        parts = self.qkv(x).split((self.key_depth, self.key_depth, self.value_depth), dim=1)
        query, key, value = (part.unflatten(1, (self.heads, -1)).flatten(3).transpose(2, 3) for part in parts)
        return query * query.shape[-1] ** -0.5, key, value

    def _position_logits(self, query: Tensor) -> Tensor:
        """Relative position logits (B, heads, H*W, H*W): q_i . r^W_(jx - ix) + q_i . r^H_(jy - iy)."""
        size = self.size
        steps = torch.arange(size, device=query.device)
        offset = steps[None, :] - steps[:, None] + size - 1  # (from, to)
        grid = query.unflatten(2, (size, size))  # (B, n, y, x, d)
        across = torch.einsum("bnyxd,xtd->bnyxt", grid, self.relative_width[offset].to(query.dtype))
        down = torch.einsum("bnyxd,ysd->bnyxs", grid, self.relative_height[offset].to(query.dtype))
        both = down[..., :, None] + across[..., None, :]  # (B, n, y, x, s, t)
        return both.flatten(4).flatten(2, 3)

    def _logits(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        return query @ key.transpose(2, 3), self._position_logits(query)

    def _weights(self, query: Tensor, key: Tensor) -> Tensor:
        content, position = self._logits(query, key)
        return (content + position).float().softmax(dim=-1)

    def logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The two terms of the attention's logits, content q . k and relative position q . r.

        Each (B, heads, H*W, H*W), from every place (rows) to every place (columns), with the query scaled by
        the root of its depth; the softmax of their sum over a row is :meth:`weights`.
        """
        query, key, _ = self._split(x)
        return self._logits(query, key)

    def weights(self, x: Tensor) -> Tensor:
        """Attention of every place (rows) to every place (columns): (B, heads, H*W, H*W), rows sum to one."""
        query, key, _ = self._split(x)
        return self._weights(query, key)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_with_weights(x)[0]

    def forward_with_weights(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The output, and the attention of every position to every position, as :meth:`weights` gives it."""
        if x.shape[2:] != (self.size, self.size):
            expected = f"{self.size} x {self.size}"
            raise RecipeError(
                f"the attention's position tables fit a map of {expected}, got {tuple(x.shape[2:])}"
            )
        query, key, value = self._split(x)
        weights = self._weights(query, key)
        attended = weights.to(value.dtype) @ value  # (B, heads, H*W, dv / heads)
        attended = attended.transpose(2, 3).flatten(1, 2).unflatten(2, (self.size, self.size))
        return torch.cat((self.conv(x), self.project(attended)), dim=1), weights
