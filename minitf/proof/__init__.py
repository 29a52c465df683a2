"""Compare minitf with `transformers`, tensor by tensor, and plant known mistakes to show that the comparison can fail.

`transformers` is imported only in this package, and only inside functions: nothing else in minitf needs it.
"""
