"""What trainers print: one module for each family of programs, found by its name.

A module has `DIALECT`: how a line that measures begins, how its numbers are written, what they are
called here, and which lines of a header state facts of the run.
"""
