"""BERT (Devlin et al. 2019), composed of `layers`: only the pooling at its end is its own."""

from minitf.bert.config import BertConfig
from minitf.bert.model import Bert, BertOutput

__all__ = ["Bert", "BertConfig", "BertOutput"]
