"""Shared by the tasks that generate text: seq2seq and language-model."""
