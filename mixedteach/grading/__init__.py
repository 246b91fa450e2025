"""Grading: exercises made from solutions, submissions run in a box, scores for the gradebook."""
