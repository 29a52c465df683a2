"""Where two implementations first differ, and which mistake it looks like. `transformers` is imported only here,
and only inside functions: nothing else in the package needs it."""
