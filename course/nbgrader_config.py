"""What nbgrader does with this course. Yours to change: mixedteach does not overwrite it.

All options: https://nbgrader.readthedocs.io/en/stable/configuration/config_options.html
"""

from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader.preprocessors import AssignLatePenalties, GetGrades

from mixedteach.grading.autograde import OneKeyForAll
from mixedteach.grading.feedback import FeedbackPage, HideTests
from mixedteach.grading.late import LatePenalty

c = get_config()  # noqa: F821, nbgrader defines it

c.CourseDirectory.course_id = "mixedteach"

# What students see in place of a solution. The line above it, `answer = ...`, makes the name exist.
c.ClearSolutions.code_stub = {"python": "# your code here"}

# Late work: "none" only notes it, "zero" takes all points, "percent" as the lines below say. Due
# dates are set in formgrader; who has more time stands in extensions.csv (instructor guide).
c.AssignLatePenalties.plugin_class = LatePenalty
c.LateSubmissionPlugin.penalty_method = "none"
c.LatePenalty.percent = 10  # of the points earned, for each ...
c.LatePenalty.each = "day"  # ... "day" or "hour" begun
c.LatePenalty.grace_minutes = 15  # so long nothing is taken off
c.LatePenalty.most = 100  # percent, at most

# Feedback computes penalties from the points as they are now, and shows neither the hidden tests
# nor errors that quote them. Its contents name the questions.
c.GenerateFeedback.preprocessors = [
    AssignLatePenalties,
    GetGrades,
    HideTests,
    CSSHTMLHeaderPreprocessor,
]
c.GenerateFeedback.exporter_class = FeedbackPage

# nbgrader's own autograde trusts the submissions. Seconds for one cell; and a refusal where each
# student has other data, of which it knows nothing.
c.Execute.timeout = 120
c.Autograde.exporter_class = OneKeyForAll

# How a learning platform names what it lets you download, for `nbgrader zip_collect`; this is
# Blackboard's way: EXERCISE_ID_attempt_2026-03-04-10-11-12_NOTEBOOK.ipynb. Adapt it to yours.
c.FileNameCollectorPlugin.named_regexp = (
    r".*_(?P<student_id>[^_]+)_attempt_(?P<timestamp>[0-9-]+)_(?P<file_id>\w+)"
)
