"""How `minitf.predict` asks a model for tags and for answers out of a text: what is read, and how it is told.

Each module has `read`, which looks at what was given before anything heavy is loaded, and `tell`.
"""
