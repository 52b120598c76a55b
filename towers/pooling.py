"""From the states of a text's tokens to one vector.

Shapes: b texts, t tokens, w width.
"""

from torch import Tensor


def masked_mean(states: Tensor, real: Tensor) -> Tensor:
    """Average the states of the real tokens, leaving out padding.

    Args:
        states: (b, t, w).
        real: (b, t) bool, False for padding; every text has a real token.

    Returns:
        (b, w)
    """
    weights = real.to(states.dtype).unsqueeze(2)  # (b, t, 1)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)
