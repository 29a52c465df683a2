"""Generate token by token: greedy decoding, beam search and sampling. Each strategy is one short function.

`decoding` reads the model with a key-value cache, `rules` has the tokens that a checkpoint forces or forbids,
`sequences` has what the strategies share, `batch` makes batches of prompts. Prompts and outputs are token ids here.
"""
