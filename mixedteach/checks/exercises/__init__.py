"""The questions of the exercises, one exercise a file, with the ways in which they are answered."""
