"""What nbgrader does with this course. Yours to change: mixedteach does not overwrite it.

All options: https://nbgrader.readthedocs.io/en/stable/configuration/config_options.html
"""

from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader.preprocessors import GetGrades

from mixedteach.grading.feedback import HideTests

c = get_config()  # noqa: F821, nbgrader defines it

c.CourseDirectory.course_id = "mixedteach"

# What students see in place of a solution. The line above it, `answer = ...`, makes the name exist.
c.ClearSolutions.code_stub = {"python": "# your code here"}

# Feedback shows neither the hidden tests nor errors that quote them.
c.GenerateFeedback.preprocessors = [GetGrades, HideTests, CSSHTMLHeaderPreprocessor]

# Seconds for one cell, with nbgrader's own autograde (which trusts the submissions).
c.Execute.timeout = 120

# How a learning platform names what it lets you download, for `nbgrader zip_collect`; this is
# Blackboard's way: EXERCISE_ID_attempt_2026-03-04-10-11-12_NOTEBOOK.ipynb. Adapt it to yours.
c.FileNameCollectorPlugin.named_regexp = (
    r".*_(?P<student_id>[^_]+)_attempt_(?P<timestamp>[0-9-]+)_(?P<file_id>\w+)"
)

# Late work: "none" only notes it, "zero" takes all points. Due dates are set in formgrader.
c.LateSubmissionPlugin.penalty_method = "none"
