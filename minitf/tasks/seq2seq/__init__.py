"""A text from a text: translation, summaries, replies, dates and numbers in another form."""
