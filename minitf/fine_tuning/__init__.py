"""One fine-tuning run, from its configuration to its folder; and the use of the model that it saves."""
