"""Real clients against the router over every provider's API: the OpenAI package, LangChain, LiteLLM."""

import base64
import itertools
import json
import os
import re
import struct
import zlib

# Before the import: the package would fetch its price list from the network.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import langchain_openai
import litellm
import openai
import pydantic
import pytest

DIALECTS = [
    "openai",
    "anthropic",
    "gemini",
    "cohere",
    "azure_openai",
    "mistral",
    "groq",
    "together",
    "perplexity",
    "openrouter",
    "ollama",
    "xrouter",
    "openai_compatible",
]
# Whose APIs are written anew, not passed through.
TRANSLATED = {"anthropic", "gemini", "cohere"}
# Whose APIs cannot be asked for JSON that keeps to a schema, and whose take no images.
WITHOUT_SCHEMA: set[str] = set()
WITHOUT_IMAGES: set[str] = set()
# Whose APIs cannot be asked for one tool call at a time.
SEVERAL_CALLS_ALWAYS: set[str] = set()
FINISH_REASONS = {"stop", "length", "tool_calls", "content_filter", "function_call"}

# Not ours: what LiteLLM's types make pydantic say.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydantic._internal._generate_schema")

every_dialect = pytest.mark.parametrize("provider", DIALECTS)
thinking_dialects = pytest.mark.parametrize("provider", ["anthropic", "gemini", "openai"])
langchain_dialects = pytest.mark.parametrize("provider", ["anthropic", "gemini", "cohere", "openai"])
litellm_dialects = pytest.mark.parametrize("provider", ["anthropic", "gemini", "cohere", "openai", "mistral"])
two_dialects = pytest.mark.parametrize(
    "first, other", list(itertools.permutations(["openai", "anthropic", "gemini"], 2))
)
plain_and_streamed = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


def tool(name, argument):
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": f"The {name} at a place",
            "parameters": {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]},
        },
    }


WEATHER, CLOCK = tool("weather", "place"), tool("clock", "zone")
QUESTION = "what is the weather in Lisbon"


class Person(pydantic.BaseModel):
    name: str
    age: int
    tags: list[str]


def user(content):
    return {"role": "user", "content": content}


def connect(router):
    return openai.OpenAI(base_url=f"{router}/v1", api_key="unused", max_retries=0)


@pytest.fixture()
def client(dialect_router, provider):
    return connect(dialect_router(provider))


def ask(client, messages, stream=False, **options):
    """The answer's message as a dict, as the client would keep it, and why it ended."""
    request = {"model": "auto", "messages": messages, **options}
    if stream:
        return collect(list(client.chat.completions.create(**request, stream=True)))
    choice = client.chat.completions.create(**request).choices[0]
    return choice.message.model_dump(exclude_none=True), choice.finish_reason


def collect(chunks):
    """Puts a stream together as clients do, and checks the rules that they rely on."""
    message = {"role": "assistant"}
    calls, reasons = [], []
    for chunk in chunks:
        assert chunk.object == "chat.completion.chunk" and chunk.id == chunks[0].id
        for choice in chunk.choices:
            assert choice.index == 0 and not reasons, "nothing comes after the end"
            delta = choice.delta
            if delta.content:
                message["content"] = message.get("content", "") + delta.content
            extra = delta.model_extra or {}
            if extra.get("reasoning_content"):
                message["reasoning_content"] = message.get("reasoning_content", "") + extra["reasoning_content"]
            if extra.get("reasoning_details"):
                message.setdefault("reasoning_details", []).extend(extra["reasoning_details"])
            for piece in delta.tool_calls or []:
                if piece.index == len(calls):
                    assert piece.id and piece.type == "function" and piece.function.name, "id and name come first"
                    calls.append({"id": piece.id, "type": "function", "function": {"name": piece.function.name}})
                    calls[-1]["function"]["arguments"] = piece.function.arguments or ""
                else:
                    assert piece.index == len(calls) - 1, "one call after the other"
                    assert not piece.id or piece.id == calls[-1]["id"]
                    assert not piece.function.name
                    calls[-1]["function"]["arguments"] += piece.function.arguments
            if choice.finish_reason:
                reasons.append(choice.finish_reason)
    if calls:
        message["tool_calls"] = calls
    assert len(reasons) == 1
    return message, reasons[0]


def results(message, contents=("sunny", "noon")):
    calls = message["tool_calls"]
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": content}
        for call, content in zip(calls, contents, strict=False)
    ]


def poor(message):
    """The message as OpenClaw keeps it: no extra fields, and of ids only letters and digits."""
    calls = [
        {
            "id": re.sub("[^A-Za-z0-9]", "", call["id"]),
            "type": "function",
            "function": {"name": call["function"]["name"], "arguments": call["function"]["arguments"]},
        }
        for call in message["tool_calls"]
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def check_call(call, name, argument):
    assert call["id"] and call["type"] == "function" and call["function"]["name"] == name
    arguments = json.loads(call["function"]["arguments"])
    assert set(arguments) == {argument} and isinstance(arguments[argument], str)


# The OpenAI package, every dialect.


@every_dialect
def test_plain(client):
    answer = client.chat.completions.create(model="auto", messages=[user("good morning")])
    assert answer.object == "chat.completion" and answer.id and answer.model and answer.created
    assert len(answer.choices) == 1 and answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    usage = answer.usage
    assert usage.prompt_tokens > 0 and usage.completion_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


@every_dialect
def test_system_text_and_earlier_turns(client):
    messages = [
        {"role": "system", "content": "be short"},
        user("good morning"),
        {"role": "assistant", "content": "good morning"},
        user([{"type": "text", "text": "tell me"}, {"type": "text", "text": "something"}]),
    ]
    message, finish_reason = ask(client, messages)
    assert message["content"] and finish_reason == "stop"


@every_dialect
def test_a_stream_is_the_same_text_and_shows_usage_only_if_asked(client, provider):
    messages = [user("tell me something")]
    whole = client.chat.completions.create(model="auto", messages=messages).choices[0]
    chunks = list(client.chat.completions.create(model="auto", messages=messages, stream=True))
    assert collect(chunks)[0]["content"] == whole.message.content
    assert collect(chunks)[1] == whole.finish_reason and whole.finish_reason in FINISH_REASONS
    assert sum(bool(choice.delta.content) for chunk in chunks for choice in chunk.choices) > 1
    assert all(chunk.choices for chunk in chunks)
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(model="auto", messages=messages, stream=True, stream_options=options))
    assert chunks[-1].usage.prompt_tokens > 0 and chunks[-1].usage.completion_tokens > 0
    if provider in TRANSLATED:
        assert not chunks[-1].choices and all(chunk.choices for chunk in chunks[:-1])


@plain_and_streamed
@every_dialect
def test_tools_work_in_two_turns(client, stream):
    messages = [user(QUESTION)]
    message, finish_reason = ask(client, messages, stream, tools=[WEATHER])
    assert finish_reason == "tool_calls" and len(message["tool_calls"]) == 1
    check_call(message["tool_calls"][0], "weather", "place")
    for kept in (message, poor(message)):
        answer, finish_reason = ask(client, [*messages, kept, *results(kept)], stream, tools=[WEATHER])
        assert answer["content"] and "tool_calls" not in answer and finish_reason == "stop"


@plain_and_streamed
@every_dialect
def test_two_tools_at_once(client, stream):
    messages = [user("the weather in Lisbon and the time there, both please")]
    tools = [WEATHER, CLOCK]
    message, finish_reason = ask(client, messages, stream, tools=tools)
    assert finish_reason == "tool_calls"
    first, second = message["tool_calls"]
    check_call(first, "weather", "place")
    check_call(second, "clock", "zone")
    assert first["id"] != second["id"]
    for kept in (message, poor(message)):
        answer, finish_reason = ask(client, [*messages, kept, *results(kept)], stream, tools=tools)
        assert answer["content"] and finish_reason == "stop"


@every_dialect
def test_structured_output_is_parsed_into_the_clients_type(client, provider):
    def parse():
        messages = [user("make somebody up")]
        return client.chat.completions.parse(model="auto", messages=messages, response_format=Person)

    if provider in WITHOUT_SCHEMA:
        with pytest.raises(openai.BadRequestError) as caught:
            parse()
        assert caught.value.body["param"].startswith("response_format")
    else:
        assert isinstance(parse().choices[0].message.parsed, Person)


def image(media_type="image/png"):
    def block(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\0\xff\0\0")
    png = b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header) + block(b"IDAT", pixel) + block(b"IEND", b"")
    return {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{base64.b64encode(png).decode()}"}}


@every_dialect
def test_an_image(client, provider):
    messages = [user([{"type": "text", "text": "what is this"}, image()])]
    if provider in WITHOUT_IMAGES:
        with pytest.raises(openai.BadRequestError) as caught:
            ask(client, messages)
        assert caught.value.body["param"].startswith("messages[0].content[1]")
    else:
        assert ask(client, messages)[0]["content"]


# Thinking.


@plain_and_streamed
@thinking_dialects
def test_thoughts_are_shown(client, provider, stream):
    message, finish_reason = ask(client, [user("think about it")], stream, reasoning_effort="low")
    assert message["content"] and finish_reason == "stop"
    if provider != "openai":
        assert message["reasoning_content"] and message["reasoning_content"] not in message["content"]


@plain_and_streamed
@thinking_dialects
def test_a_client_that_keeps_thoughts_can_go_on_at_another_router(dialect_router, provider, stream):
    first, second = connect(dialect_router(provider)), connect(dialect_router(provider, "second"))
    options = {"tools": [WEATHER], "reasoning_effort": "low"}
    messages = [user(QUESTION)]
    message, _ = ask(first, messages, stream, **options)
    if provider != "openai":
        assert message["reasoning_content"] and message["reasoning_details"]
    messages += [message, *results(message)]
    message, _ = ask(second, messages, stream, **options)
    assert message["content"]
    messages += [message, user(QUESTION)]
    message, _ = ask(second, messages, stream, **options)
    assert message["tool_calls"]


@plain_and_streamed
@thinking_dialects
def test_a_client_that_drops_thoughts_can_go_on_at_the_same_router(client, stream):
    options = {"tools": [WEATHER, CLOCK], "reasoning_effort": "low"}
    messages = [user("the weather and the time in Lisbon, both please")]
    kept = poor(ask(client, messages, stream, **options)[0])
    assert len(kept["tool_calls"]) == 2
    messages += [kept, *results(kept)]
    message, _ = ask(client, messages, stream, **options)
    messages += [{"role": "assistant", "content": message["content"]}, user(QUESTION)]
    kept = poor(ask(client, messages, stream, **options)[0])
    messages += [kept, *results(kept)]
    assert ask(client, messages, stream, **options)[0]["content"]


# One conversation over several providers. The last return to each is at a router that remembers nothing.


def round_trip(messages, caller, answerer):
    """A question to one client, the tool's result to another."""
    options = {"tools": [WEATHER], "reasoning_effort": "low"}
    messages.append(user(QUESTION))
    message, finish_reason = ask(caller, messages, **options)
    assert finish_reason == "tool_calls"
    messages += [message, *results(message)]
    message, finish_reason = ask(answerer, messages, **options)
    assert message["content"] and finish_reason == "stop"
    messages.append(message)


@two_dialects
def test_there_and_back_between_questions(dialect_router, first, other):
    here, there = connect(dialect_router(first)), connect(dialect_router(other))
    back = connect(dialect_router(first, "second"))
    messages = []
    for client in (here, there, back):
        round_trip(messages, client, client)


@two_dialects
def test_there_and_back_between_call_and_result(dialect_router, first, other):
    here, there = connect(dialect_router(first)), connect(dialect_router(other))
    back = connect(dialect_router(first, "second"))
    messages = []
    round_trip(messages, here, there)
    round_trip(messages, there, back)


def test_once_around_all_three_and_back(dialect_router):
    messages = []
    for name in ("first", "second"):
        for provider in ("openai", "anthropic", "gemini"):
            client = connect(dialect_router(provider, name))
            round_trip(messages, client, client)
    assert len(messages) == 24


# What is wrong with a request is named.

TIFF = image("image/tiff")
BAD_CALL = {"id": "call1", "type": "function", "function": {"name": "weather", "arguments": "{"}}
BAD = [
    ([{"role": "robot", "content": "hi"}], "messages[0].role"),
    (
        [user("hi"), {"role": "assistant", "content": None, "tool_calls": [BAD_CALL]}],
        "messages[1].tool_calls[0].function.arguments",
    ),
    ([user("hi"), {"role": "tool", "tool_call_id": "call1", "content": "sunny"}], "messages[1].tool_call_id"),
    ([user([TIFF])], "messages[0].content[0].image_url.url"),
]


@pytest.mark.parametrize("messages, param", BAD, ids=["role", "arguments", "result", "image"])
@pytest.mark.parametrize("provider", ["anthropic", "gemini"])
def test_a_bad_message_is_refused_by_its_field(client, messages, param):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, messages)
    assert caught.value.body["param"] == param


# LangChain.


@pytest.fixture()
def langchain(dialect_router, provider):
    router = dialect_router(provider)
    return langchain_openai.ChatOpenAI(base_url=f"{router}/v1", api_key="unused", model="auto", max_retries=0)


@langchain_dialects
def test_langchain_plain_and_streamed(langchain):
    answer = langchain.invoke("tell me something")
    assert answer.text and answer.usage_metadata["output_tokens"] > 0
    assert answer.response_metadata["finish_reason"] == "stop"
    pieces = list(langchain.stream("tell me something"))
    assert "".join(piece.text for piece in pieces) == answer.text


@plain_and_streamed
@langchain_dialects
def test_langchain_tools(langchain, stream):
    model = langchain.bind_tools([WEATHER, CLOCK])

    def call(messages):
        if not stream:
            return model.invoke(messages)
        first, *rest = model.stream(messages)
        return sum(rest, first)

    messages = [("user", "the weather and the time in Lisbon, both please")]
    answer = call(messages)
    assert [call["name"] for call in answer.tool_calls] == ["weather", "clock"] and not answer.invalid_tool_calls
    messages.append(answer)
    for made in answer.tool_calls:
        messages.append({"role": "tool", "tool_call_id": made["id"], "content": "sunny"})
    answer = call(messages)
    assert answer.text and not answer.tool_calls


@langchain_dialects
def test_langchain_structured_output(langchain):
    assert isinstance(langchain.with_structured_output(Person).invoke("make somebody up"), Person)


@langchain_dialects
def test_langchain_structured_output_by_a_call(langchain, provider):
    model = langchain.with_structured_output(Person, method="function_calling")
    if provider in SEVERAL_CALLS_ALWAYS:
        # LangChain asks for one call at a time, which these APIs cannot promise.
        with pytest.raises(openai.BadRequestError) as caught:
            model.invoke("make somebody up")
        assert caught.value.body["param"] == "parallel_tool_calls"
    else:
        assert isinstance(model.invoke("make somebody up"), Person)


# LiteLLM as a client.


@pytest.fixture()
def lite(dialect_router, provider):
    router = dialect_router(provider)

    def complete(messages, **options):
        options |= {"model": "openai/auto", "api_base": f"{router}/v1", "api_key": "unused", "max_retries": 0}
        return litellm.completion(messages=messages, **options)

    return complete


@litellm_dialects
def test_litellm_plain_and_streamed(lite):
    messages = [user("tell me something")]
    answer = lite(messages)
    assert answer.choices[0].message.content and answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens > 0
    pieces = [chunk.choices[0].delta.content or "" for chunk in lite(messages, stream=True)]
    assert "".join(pieces) == answer.choices[0].message.content


@plain_and_streamed
@litellm_dialects
def test_litellm_tools(lite, stream):
    def call(messages):
        answer = lite(messages, tools=[WEATHER], stream=stream)
        return (litellm.stream_chunk_builder(list(answer)) if stream else answer).choices[0]

    messages = [user(QUESTION)]
    choice = call(messages)
    assert choice.finish_reason == "tool_calls"
    (made,) = choice.message.tool_calls
    assert made.function.name == "weather" and set(json.loads(made.function.arguments)) == {"place"}
    messages += [choice.message, {"role": "tool", "tool_call_id": made.id, "content": "sunny"}]
    choice = call(messages)
    assert choice.message.content and choice.finish_reason == "stop"
