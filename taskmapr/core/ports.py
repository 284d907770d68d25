"""What TaskMapr needs from outside, as narrow protocols; `taskmapr.wiring` names the fulfillers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from taskmapr.core.tools import ToolSpec

R = TypeVar("R")

# Models ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEndpoint:
    """Where a model is and what it costs. Prices: US dollars per million tokens, None = unknown."""

    #: LiteLLM's notation: `gpt-5-mini`, `openai/<name>`, `anthropic/<name>`, `mock/echo`.
    model: str
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    #: `auto`, `openai` (OpenAI-compatible HTTP), `litellm` or `offline`.
    adapter: str = "auto"
    max_output_tokens: int | None = None
    context_tokens: int | None = None
    #: Longest silence in seconds: until the first byte, and between two bytes of an answer. It does
    #: not bound the whole answer. A connection must stand after the smaller of this and 10 s.
    timeout_s: float = 60.0
    input_price_usd: float | None = None
    output_price_usd: float | None = None
    supports_tools: bool = True
    #: What one adapter alone understands; each adapter's docstring lists its members.
    extra: Mapping[str, Any] = field(default_factory=dict)
    #: Asked in this order when this one fails before it has said anything. Their own are ignored.
    fallbacks: Sequence[ModelEndpoint] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDefinition:
    """A tool as a model sees it. `name` is the model name (no dots)."""

    name: str
    summary: str
    input_schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallRequest:
    """A tool call that a model asked for. `arguments` is JSON text as the model wrote it."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One model turn.

    `messages` are chat-completions messages without the system message:
    {role: user|assistant|tool, content, tool_calls?, tool_call_id?, reasoning_content?}.
    """

    endpoint: ModelEndpoint
    instructions: str
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[ToolDefinition] = ()
    temperature: float | None = None
    max_output_tokens: int | None = None
    parallel_tool_calls: bool | None = None
    #: The redacted page of an overlay run, {pageContext, domElements}: what the built-in stand-in
    #: reads. Adapters of real models ignore it; those find the page in `instructions`.
    page: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResponse:
    """A finished model turn. Text and reasoning were given to the sink already."""

    text: str
    reasoning: str
    #: In the order in which the model asked; ids are not empty and differ within the response.
    tool_calls: Sequence[ToolCallRequest]
    input_tokens: int
    output_tokens: int
    finish_reason: str | None
    #: The name by which the provider says it answered, else the one asked for.
    model: str
    #: False when the provider did not count; both token numbers are 0 then and mean "unknown".
    usage_reported: bool = True


class ModelSink(Protocol):
    """Takes what a model says while it says it. Must not block."""

    def text(self, delta: str) -> None: ...

    def reasoning(self, delta: str) -> None: ...


class ModelPort(Protocol):
    """Answers one model turn.

    Raises ModelFailed (connection, 5xx, 408, 409, 429, cut in mid-stream, silence longer than
    timeout_s), ModelAuthFailed (401, 403), ModelRefusedContext (prompt too long) or
    ModelRequestRefused (other 4xx); no message or cause of these carries a key or a prompt.
    Raises CircuitOpen, and contacts nobody, while the provider is left alone.
    Cancelling the call closes the upstream request at once. Never retries: the caller decides.
    """

    async def respond(self, request: ModelRequest, sink: ModelSink) -> ModelResponse: ...


class StopRun(Exception):
    """Raised by a callback of the agent loop to leave it. Reaches the loop's caller unchanged."""


#: Carries out one tool call and gives the text that the model reads as its result. The spec is None
#: when the model asked for a tool that it was not offered: the call must end as a tool error.
ToolInvoker = Callable[[ToolCallRequest, ToolSpec | None], Awaitable[str]]


class AgentLoop(Protocol):
    """Model turns and tool calls until the model has nothing left to ask for."""

    async def __call__(
        self,
        *,
        model: ModelPort,
        request: ModelRequest,
        tools: Sequence[ToolSpec],
        invoke: ToolInvoker,
        sink: ModelSink,
        max_turns: int,
        on_response: Callable[[ModelResponse], Awaitable[None]],
    ) -> Sequence[Mapping[str, Any]]:
        """The messages that the run added, in the form of `ModelRequest.messages`.

        `request` gives everything of each turn but the messages that come later; its own `tools`
        are replaced by `tools`. Each tool call in `request.messages` must have its answer there.
        After every model turn `on_response` is awaited, before any tool is called; call ids are
        unique in the whole run by then. The tools of a turn run one after another in call order.
        What `model`, `invoke` or `on_response` raises reaches the caller unchanged (StopRun leaves
        the loop on purpose), and no call of `invoke` is still running when this returns or raises.
        Raises MaxTurnsExceeded when `max_turns` model turns (at least 1) did not lead to an end.
        """


class PriceBook(Protocol):
    """What tokens cost, and how many a model takes."""

    def cost_usd_micros(
        self, endpoint: ModelEndpoint, input_tokens: int, output_tokens: int
    ) -> int | None:
        """None when no price is known; never 0 for an unknown one."""

    def context_tokens(self, endpoint: ModelEndpoint) -> int | None:
        """The model's context window; None when it is not known."""


#: Length of every stored vector: what text-embedding-3-small gives.
EMBEDDING_DIMENSIONS: Final = 1_536


class Embedder(Protocol):
    """Turns texts into vectors that lie close together when the texts mean the same."""

    @property
    def model(self) -> str:
        """Which model makes the vectors; those of two models cannot be compared."""

    async def embed(self, texts: Sequence[str], *, timeout_s: float) -> list[list[float]]:
        """One vector of EMBEDDING_DIMENSIONS finite numbers for each text (at most 256), in order.

        Gives up after `timeout_s` seconds in all. Raises ModelFailed and its kin, without a key or
        a text in message or cause. Never retries: the caller decides.
        """


# Tools of other servers --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolServerAddress:
    """How an MCP server is reached. Equal addresses share a session."""

    server_id: int
    #: For messages to people.
    name: str
    #: `sse`, `streamable_http` or `stdio`.
    transport: str
    url: str = ""
    #: stdio: the program, its arguments, and variables beside PATH, HOME, USER and the like.
    command: str = ""
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Sent with every HTTP request.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    connect_timeout_s: float = 5.0
    #: What a call may take. A connection is given up when nothing came for a minute more.
    call_timeout_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTool:
    """A tool as its server describes it: untrusted text, bounded by nobody yet."""

    name: str
    summary: str
    input_schema: Mapping[str, Any]
    #: What the server says of it; None when it says nothing.
    is_read_only: bool | None = None
    is_destructive: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolServerReport:
    """What was found at a server. `problem` is empty when it answered."""

    server_id: int
    problem: str = ""
    #: Revision of the protocol that was agreed on.
    revision: str = ""
    #: How the server calls itself, with its version.
    software: str = ""
    tools: Sequence[FoundTool] = ()


#: (how far, of how much if that is known, a text that may be empty), as a server tells it.
ToolProgress = Callable[[float, float | None, str], None]


class ToolServers(Protocol):
    """Sessions with MCP servers, kept open and opened anew when they break. For one event loop."""

    async def check(
        self, addresses: Sequence[ToolServerAddress], *, at_once: Collection[int] = ()
    ) -> list[ToolServerReport]:
        """Ask every server for its tools, and close sessions with servers that are not among them.

        A server that could not be reached is left alone for 1 s, then twice as long each time, at
        most 60 s, unless its id is in `at_once`; until then its last problem is reported again.
        Never raises for a server's sake; takes at most three times the longest connect_timeout_s.
        """

    async def call(
        self,
        address: ToolServerAddress,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        meta: Mapping[str, Any] | None = None,
        on_progress: ToolProgress | None = None,
        whole: bool = False,
    ) -> Any:
        """Call a tool and give its result as JSON, at most 128 KiB of it.

        `on_progress` hears what the server tells meanwhile. `whole`: the result as programs want
        it, {content: [...], structured, is_error: false} in the protocol's own members, at most
        1 MiB of it; otherwise the part of it that models read.

        Opens the session if there is none. Has no deadline of its own beyond connecting: the caller
        gives up by cancelling, and the server is told, but may go on. Never sends a call twice that
        a server may have begun. Raises ToolServerUnavailable when the server cannot be reached (the
        call did not begin), ToolCallFailed when the server answered that it failed or refused it,
        and OutcomeUnknown when it was sent and no readable answer came: the connection broke, or
        something between here and there answered instead. No text holds a secret of the address.
        """

    async def close(self) -> None:
        """End every session and every process. Takes at most 10 s."""


# Callbacks ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackAnswer:
    """What a receiver answered. Header names are in lower case; at most 64 KiB of its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class CallbackPost(Protocol):
    """Posts to addresses that users gave, and only where the operator's rules allow it."""

    async def __call__(
        self, url: str, *, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> CallbackAnswer:
        """Follows no redirect. Raises AddressNotAllowed (nothing was connected to), UpstreamError
        and TimedOut. Never retries: the caller decides."""


# Commands on hosts -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAccount:
    """An account of a host and who the host must be. `host_keys`: each `<type> <base64>`."""

    alias: str
    address: str
    port: int
    user: str
    private_key: str = field(repr=False)
    host_keys: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """`exit_code` is negative for a process that a signal ended. Each output is at most 64 KiB."""

    exit_code: int
    stdout: str
    stderr: str
    truncated: bool
    duration_ms: int


class CommandSession(Protocol):
    """A connection to a host, signed in."""

    async def run(self, command: str, *, timeout_s: float) -> CommandResult:
        """Have the account's shell carry out one line, without a terminal and without input.

        Raises TimedOut, after the process and its group were told to end, and OutcomeUnknown when
        the connection broke after the command was sent. Cancelling ends the process as well.
        """


class CommandHosts(Protocol):
    """Runs commands on hosts. Reads no configuration of the machine, forwards nothing."""

    def connect(self, host: HostAccount) -> AbstractAsyncContextManager[CommandSession]:
        """Raises HostKeyMismatch before anything of the account is sent, SshUnreachable when no
        connection stands or the key is refused, and NotConfigured for keys that are none."""

    async def presented_key(self, address: str, port: int) -> str:
        """The key that a host shows, as `<type> <base64>`; nothing is signed in, and nothing is
        trusted. Raises SshUnreachable."""


# The queue ---------------------------------------------------------------------------------------


class QueuePort(Protocol):
    """Hands jobs to workers."""

    def enqueue(self, job: str, *args: Any, queue: str, priority: int = 9) -> None:
        """Put one job on a queue; those of a greater priority (0 to 9) are taken first.

        Raises QueueUnavailable when it cannot be taken.
        """

    def take(self, job: str, *, queue: str, most: int) -> list[list[Any]]:
        """Take jobs of this name from the head of a queue, at most so many, beside those that
        the worker is given one by one. Returns their arguments; none when the queue is away.

        For jobs that may get lost on the way: who takes them must look after them.
        """


# Secrets -----------------------------------------------------------------------------------------


class Sealer(Protocol):
    """Makes content unreadable outside, for one owner."""

    def seal(self, value: Any) -> str:
        """JSON value → text that reveals nothing."""

    def open(self, sealed: str) -> Any:
        """The inverse. Raises KeyUnavailable (a LookupError) when the owner's key is gone."""


class KeyUnavailable(LookupError):
    """The data key that sealed this content does not exist any more, or cannot be unwrapped."""


class SealerSource(Protocol):
    """Finds the sealer of an owner."""

    def for_user(self, user_id: UUID, row: str | None = None) -> Sealer:
        """Makes the user's data key if there is none yet. Touches the database: once a run.

        row: the user's row of keys, when the caller's own statement has just read it.
        """


# What lower storeys ask of higher ones -----------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRun:
    """A run that somebody wants to start. `name`: the intent, `task.<type>`, else its kind."""

    run_id: UUID
    user_id: UUID
    #: `user:<id>` or `key:<id>`; empty where the kind of run names none.
    credential: str
    name: str
    #: What it costs at most, in millionths of a US dollar; 0: not known before.
    cost_usd_micros: int = 0


class Policy(Protocol):
    """Who may start what."""

    def check_run_start(self, asked: AskedRun) -> tuple[str, ...]:
        """The run may start, and what it may take is reserved under its id.

        Asked inside the transaction that creates the run: what was reserved for a run that never
        came to be is free again. Returns warnings that the run's first event tells. Raises
        QuotaExceeded (with details.resets_at) or NotAllowed.
        """


class Eraser(Protocol):
    """Destroys a user's data in one app."""

    def __call__(self, *, user_id: UUID) -> Mapping[str, int]:
        """Returns how many rows of which kind are gone."""


@dataclass(frozen=True, slots=True)
class Places:
    """What one holder needs a place of: names → how many places of that name there are."""

    holder: UUID
    limits: Mapping[str, int]


class Slots(Protocol):
    """Places of which there is a number, held for a while. Many holders in one call. Sync.

    Every method raises QueueUnavailable when nobody can say.
    """

    def take(self, wanted: Sequence[Places], ttl_s: float) -> list[int]:
        """For each holder 0: one place of each name is its own for `ttl_s` seconds (again, if it
        was). Else it has none, stands in line, and the number says how many do."""

    def renew(self, held: Sequence[Places], ttl_s: float) -> None:
        """Hold on to what is still held."""

    def leave(self, held: Sequence[Places]) -> list[UUID]:
        """Give them back. Returns who stood first in line, and stands there no more."""


# The live log ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parcel:
    """Consecutive events of one run on their way to readers.

    `body` is the packed form of `orchestration/log/wire.py`; `last_seq` is the number of its last
    event.
    """

    run_id: UUID
    lease_token: int
    last_seq: int
    body: bytes
    is_terminal: bool = False


class LogTransport(Protocol):
    """The fast lane between writers and readers. May lose everything at any time: Postgres is the
    truth."""

    async def append(self, parcels: Sequence[Parcel]) -> list[bool]:
        """Store and announce each parcel, in order. False: fenced off, somebody else writes this
        run.

        Raises Unavailable when the transport cannot be reached; then nothing is known of the
        parcels.
        """

    async def fence(self, run_id: UUID, lease_token: int) -> None:
        """Refuse parcels of writers with a smaller token from now on."""

    async def read(self, run_id: UUID, after: int) -> list[bytes]:
        """Bodies that hold events with seq > after, in order; the first may begin earlier."""

    async def last(self, run_ids: Sequence[UUID]) -> list[bytes | None]:
        """The newest body of each, if there is one. Raises QueueUnavailable."""


class LogTransportSync(Protocol):
    """The same fast lane for services that append for a run which nobody holds."""

    def announce(self, parcel: Parcel) -> None:
        """Store and announce if possible; readers find the events in Postgres otherwise."""

    def fence(self, run_id: UUID, lease_token: int) -> None:
        """Raises QueueUnavailable."""

    def read(self, run_id: UUID, after: int) -> list[bytes]:
        """Raises QueueUnavailable."""

    def last(self, run_id: UUID) -> bytes | None:
        """The newest body, if there is one. Raises QueueUnavailable."""


# What stands in while Postgres is away ---------------------------------------------------------

Document = dict[str, Any]


class StandbyStore(Protocol):
    """Documents (JSON objects) and lists that outlive processes, a day at most. Sync.

    Every method raises QueueUnavailable when the store cannot be reached.
    """

    def read(self, key: str) -> Document | None: ...

    def update(
        self,
        key: str,
        change: Callable[[Document | None], tuple[Document | None, R]],
        adding: Callable[[R], Mapping[str, bytes]] = lambda result: {},
    ) -> R:
        """Replace a document by what `change` makes of it (None: remove it), as one step.

        `change` may be called again when somebody else was faster; what it raises reaches the
        caller, and nothing is changed then. Returns its second value, of which `adding` makes what
        the same step adds to the ends of lists, by their keys.
        """

    def push(self, key: str, *items: bytes) -> None:
        """Add to the end of a list."""

    def items(self, key: str) -> list[bytes]: ...

    def take(self, key: str) -> list[bytes]:
        """All items of a list, which is empty afterwards."""

    def forget(self, *keys: str) -> None:
        """Remove documents and lists."""

    def mark(self, key: str, member: str) -> None:
        """Add to a set."""

    def unmark(self, key: str, member: str) -> None: ...

    def marked(self, key: str) -> set[str]: ...

    def remember(self, values: Mapping[str, str]) -> None:
        """Keep short texts, each under its key."""

    def recall(self, key: str) -> str | None: ...

    def now(self) -> float:
        """The store's clock, by which all processes go: seconds since 1970."""


# Signals between processes -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """What a worker says of itself every few seconds."""

    worker_id: str
    running: int
    slots: int
    host: str
    pid: int
    #: Queues that it takes jobs from; None: it does not say.
    queues: tuple[str, ...] | None = None

    def serves(self, queue: str) -> bool:
        """Whether its jobs may come from this queue. One that does not say is given the credit."""
        return self.queues is None or queue in self.queues


class Signals(Protocol):
    """Bells and signs of life. Losing one costs time, never correctness."""

    def ring(self, worker_id: str, run_id: UUID) -> None:
        """Tell the worker that a command for the run lies in the database. Never raises."""

    def workers(self) -> list[WorkerInfo]:
        """Workers whose last sign of life still holds. Raises QueueUnavailable."""

    def queue_depths(self, queues: Sequence[str]) -> dict[str, int]:
        """Jobs that wait in each queue. Raises QueueUnavailable."""


class SignalsAsync(Protocol):
    """The same from within an event loop."""

    async def listen(self, worker_id: str, on_ring: Callable[[UUID], None]) -> None:
        """Call `on_ring` for every bell until cancelled; survives restarts of the transport."""

    async def worker_alive(self, info: WorkerInfo) -> None: ...

    async def worker_gone(self, worker_id: str) -> None: ...

    async def readers_mark(self, run_ids: Collection[UUID], ttl_s: float) -> None:
        """Somebody reads these runs here; holds for `ttl_s` seconds."""

    async def readers_gone(self, run_id: UUID) -> None:
        """The last reader of this process left. Other processes mark the run again by
        themselves."""

    async def unread(self, run_ids: Collection[UUID]) -> set[UUID]:
        """Those runs that nobody reads. Raises QueueUnavailable."""
