"""BERT (Devlin et al. 2019), composed of `layers`: nothing is computed here that is not computed there."""

from minitf.bert.config import BertConfig
from minitf.bert.model import Bert, BertOutput

__all__ = ["Bert", "BertConfig", "BertOutput"]
