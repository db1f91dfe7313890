"""The panels of the debugger: each shows one side of a run at one sequence number."""
