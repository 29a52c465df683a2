"""The other compositions of the same layers: encoder-decoder, decoder, and encoder of image patches."""

from minitf.transformer.config import DecoderConfig, EncoderDecoderConfig, VitConfig
from minitf.transformer.decoder import DecoderModel, DecoderModelOutput
from minitf.transformer.encoder_decoder import DecoderOutput, EncoderDecoder, EncoderDecoderOutput, shift_right
from minitf.transformer.vit import Vit, VitOutput

__all__ = [
    "DecoderConfig",
    "DecoderModel",
    "DecoderModelOutput",
    "DecoderOutput",
    "EncoderDecoder",
    "EncoderDecoderConfig",
    "EncoderDecoderOutput",
    "Vit",
    "VitConfig",
    "VitOutput",
    "shift_right",
]
