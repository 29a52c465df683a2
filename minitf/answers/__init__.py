"""How `minitf.predict` asks a model, and tells what it says: classes and vectors, hidden words, tags, answers.

`tagging` and `question_answering` have `read`, which looks at what was given before anything heavy is loaded, and
`tell`.
"""
