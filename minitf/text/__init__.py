"""From text to tensors: tokenizers, WordPiece in plain Python, padded batches, and texts longer than a model reads."""
