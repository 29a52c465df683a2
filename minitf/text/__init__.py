"""Words to tensors: tables of examples, their checks, the tokenizer, and batches."""
