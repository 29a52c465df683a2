"""BERT (Devlin et al. 2019), composed of `layers`; only the pooler and the heads are its own."""

from minitf.bert.config import BertConfig
from minitf.bert.model import Bert, BertOutput

__all__ = ["Bert", "BertConfig", "BertOutput"]
