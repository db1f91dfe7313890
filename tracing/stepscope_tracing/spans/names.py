"""Every span name and attribute name, once. Reading spans back uses the same table.

Where a semantic convention of OpenTelemetry has a name it is used: messaging (semantic-conventions 1.41), generative
AI (semantic-conventions-genai 0.1), code, error and exception (stable). Everything else is ``stepscope.*``: an event's
field is an attribute of the same name unless `CONVENTIONAL` says otherwise. Where a span has two events, a field that
both have is ``stepscope.end_<field>`` for the second.
"""

from __future__ import annotations

SCOPE_NAME = "stepscope"
"""Instrumentation scope of every span."""

PREFIX = "stepscope."
END = "end_"

# On every span: the event that opens it, and, once it has happened, the one that closes it.
EVENT = PREFIX + "event"
SEQ = PREFIX + "seq"
T = PREFIX + "t"
END_EVENT = PREFIX + "end_event"
END_SEQ = PREFIX + "end_seq"
END_T = PREFIX + "end_t"

SPANS = PREFIX + "spans"
"""On the run's span: how many spans the run has, itself included."""

UNFINISHED = PREFIX + "unfinished"
"""On a span whose closing event was not seen: it ends where its parent, or what was seen, does."""

ENDED_BY = PREFIX + "ended_by"
"""On a `lock.wait`: `seq` of the event that ended the wait, which has its own span."""

LINK = PREFIX + "link"
"""On a link: what it stands for, one of the `LINK_*`."""

LINK_MESSAGE = "message"
LINK_HOLDER = "holder"

VALUE_AS_MSGPACK = "msgpack:"
"""Begins the text of a value that JSON cannot hold exactly; base64 of its stored bytes follows."""

CODE_LINE = "code.line.number"
CODE_FUNCTION = "code.function.name"
ERROR_TYPE = "error.type"

EXCEPTION = "exception"
"""Name of the span event that carries an error."""

EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"
EXCEPTION_STACKTRACE = "exception.stacktrace"
EXCEPTION_EXECUTOR = PREFIX + "executor"
EXCEPTION_FILE = "code.file.path"
EXCEPTION_LINE = CODE_LINE
EXCEPTION_INDEX = PREFIX + "index"
"""Place of the error among its span's, from 0: receivers reorder the events of a span."""

GEN_AI_OPERATION = "gen_ai.operation.name"
GEN_AI_AGENT = "gen_ai.agent.name"
"""Name of the workflow (generative AI conventions from 0.1)."""

GEN_AI_WORKFLOW = "gen_ai.workflow.name"
"""Name of the workflow (the conventions before that, which receivers still read)."""

MESSAGING_SYSTEM = "messaging.system"
MESSAGING_OPERATION = "messaging.operation.name"
MESSAGING_OPERATION_TYPE = "messaging.operation.type"
MESSAGING_DESTINATION = "messaging.destination.name"
MESSAGING_MESSAGE = "messaging.message.id"
MESSAGING_BATCH = "messaging.batch.message_count"

CONVENTIONAL: dict[tuple[str, str], str] = {
    ("run-started", "workflow"): GEN_AI_WORKFLOW,
    ("sent", "message"): MESSAGING_MESSAGE,
    ("sent", "target"): MESSAGING_DESTINATION,
    ("routed", "message"): MESSAGING_MESSAGE,
    ("routed", "target"): MESSAGING_DESTINATION,
    ("dropped", "message"): MESSAGING_MESSAGE,
    ("dropped", "target"): MESSAGING_DESTINATION,
    ("handler-started", "handler"): CODE_FUNCTION,
    ("sent", "line"): CODE_LINE,
    ("state-read", "line"): CODE_LINE,
    ("state-written", "line"): CODE_LINE,
    ("lock-waiting", "line"): CODE_LINE,
    ("lock-acquired", "line"): CODE_LINE,
    ("effect-started", "line"): CODE_LINE,
    ("output", "line"): CODE_LINE,
}
"""Attribute of an event's field, by (event kind, field), where it is not ``stepscope.<field>``."""

INVOKE_WORKFLOW = "invoke_workflow"
SUPERSTEP = "superstep"
DELIVER = "deliver"
PROCESS = "process"
SEND = "send"
ROUTE = "route"
DROP = "drop"
STATE = "state"
LOCK_WAIT = "lock.wait"
LOCK_HOLD = "lock.hold"
EFFECT = "effect"
TIMEOUT = "timeout"
OUTPUT = "output"
ARRIVE = "arrive"
BARRIER = "barrier"
CHECKPOINT = "checkpoint"
RESUME = "resume"
FINDING = "finding"
GET = "get"


def span_name(operation: str, subject: object = "") -> str:
    """Name of a span: the operation and what it is about, as in ``process review``."""
    return f"{operation} {subject}" if subject != "" else operation


def state_name(op: str, key: str) -> str:
    """Name of a state operation's span: ``state.set ledger``."""
    return f"{STATE}.{op} {key}"
