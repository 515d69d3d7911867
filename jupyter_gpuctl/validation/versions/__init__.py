"""The learners' version of a notebook that holds the solutions, by the marks of nbgrader or otter.

The solution version is the notebook as it is, and passes whole. The learners' version may raise
only where a solution was taken out, in tests of that, and in cells that use what learners are to
write. Pure.
"""
