"""The mathematics of the Transformer: one short pure function per equation.

Letters for shapes, here and in the whole package: `B` batch, `S` tokens, `D` model width, `H` heads,
`d_k` width of one head, `F` feed-forward width, `N` vocabulary, `C` classes, `L` layers.
A capital that is a matrix of the paper (`Q K V A X W`) is that matrix.

The functions work on any float dtype and any device, take no configuration and keep no state.
The exception: the update rules in `update` write θ and their state in place.
Attention takes softmax and dropout as keyword arguments, so that it uses a replaced softmax or dropout too.
"""
