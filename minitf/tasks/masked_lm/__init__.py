"""The words behind [MASK], predicted by a pre-trained model. This task cannot be fine-tuned yet, so it has no spec."""
