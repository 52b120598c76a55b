"""The cross-encoder of the relevance annotator: query and product in one sequence, one logit per label.

It is a transformer with BiBERT's layers (towers/bert.py), so that it can start from a fitted BiBERT. A pair consists of
the tokens of query, title and attributes, one after the other. Each of the three texts begins with the start token and
numbers its positions from 0, as in BiBERT; a segment embedding added to every token marks the text that it belongs to.

Shapes: b batch size, t tokens, w width, c labels.
"""

from torch import Tensor, nn

from artifacts.annotator import CrossEncoderConfig
from towers.bert import BertBody, BertSide, run_layers
from towers.pooling import masked_mean

SEGMENTS = 3  # query, title, attributes


class CrossEncoder(nn.Module):
    """Logits of the labels of (query, product) pairs.

    Args:
        config: sizes of the model.
    """

    def __init__(self, config: CrossEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.body = BertBody(config.body)
        self.norms = BertSide(config.body)
        self.segments = nn.Embedding(SEGMENTS, config.body.width)
        self.head = nn.Linear(config.body.width, config.outputs)
        nn.init.normal_(self.segments.weight, std=0.02)

    def forward(self, ids: Tensor, segments: Tensor, positions: Tensor) -> Tensor:
        """Compute logits.

        Args:
            ids: (b, t) int64, padded with the configuration's pad id; every row has a token.
            segments: (b, t) int64, the number of the text that each token belongs to.
            positions: (b, t) int64, the position of each token in its text.

        Returns:
            (b, c)
        """
        real = ids != self.config.body.pad_id
        states = self.body.tokens(ids) + self.body.positions(positions) + self.segments(segments)
        mask = real[:, None, None, :]  # (b, 1, 1, t): every token attends to all real tokens
        states = run_layers(self.body, self.norms, states, lambda layer, states: layer.attend(states, mask))
        mean = masked_mean(states, real)
        logits: Tensor = self.head(nn.functional.gelu(self.norms.projection(mean)))
        return logits
