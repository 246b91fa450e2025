"""Answers checked by their values, with the classic mistakes recognised.

From the bottom up: :mod:`plain` takes out of an answer what is in it; :mod:`kinds` says which shape
a question expects, and finds its parts in whatever shape they came; :mod:`question` holds a
question with the ways to answer it, right and wrong; :mod:`judge` compares; :mod:`check` is what a
student calls. The exercises themselves are in ``mixedteach/checks/exercises``, one a file.
"""
