"""Replay: the handlers of today's code under the schedule of a recording, compared event by event (DET-3, DET-4).

A `script` holds the recorded events and a cursor; the `follower` is a driver that lets whoever made the next event act;
`checker` compares what comes of it; `words` and `causes` tell a person about the first difference. Nothing here reads
files: recorded events and sources are given.
"""
