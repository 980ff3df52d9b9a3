"""The OpenAI package for Python against the router: plain, streamed, tools, structured output, async."""

import asyncio
import json

import openai
import pydantic
import pytest


@pytest.fixture()
def client(router):
    return openai.OpenAI(base_url=f"{router}/v1", api_key="unused", max_retries=0)


def ask(text):
    return {"model": "auto", "messages": [{"role": "user", "content": text}]}


TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather at a place",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}


def test_a_plain_answer_has_text_usage_and_the_routers_headers(client):
    raw = client.chat.completions.with_raw_response.create(**ask("good morning"))
    assert raw.headers["x-xrouter-decision"] == "0"
    assert raw.headers["x-xrouter-upstream"] == "cheap"
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer._request_id == raw.headers["x-request-id"]


def test_a_stream_is_the_same_text_and_shows_usage_only_if_asked(client):
    whole = client.chat.completions.create(**ask("tell me something")).choices[0].message.content
    chunks = list(client.chat.completions.create(**ask("tell me something"), stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole
    assert all(chunk.choices for chunk in chunks)
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(**ask("tell me something"), stream=True, stream_options=options))
    assert not chunks[-1].choices and chunks[-1].usage.completion_tokens > 0


def test_tools_work_in_two_turns_plain_and_streamed(client):
    request = ask("what is the weather in Lisbon")
    answer = client.chat.completions.create(**request, tools=[TOOL])
    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert set(json.loads(call.function.arguments)) == {"place"}
    request["messages"] += [
        answer.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]
    assert client.chat.completions.create(**request, tools=[TOOL]).choices[0].message.content

    arguments, name = "", None
    for chunk in client.chat.completions.create(**ask("what is the weather in Lisbon"), tools=[TOOL], stream=True):
        for piece in chunk.choices[0].delta.tool_calls or []:
            name = name or piece.function.name
            arguments += piece.function.arguments or ""
    assert name == "weather" and set(json.loads(arguments)) == {"place"}


def test_structured_output_is_parsed_into_the_clients_type(client):
    class Person(pydantic.BaseModel):
        name: str
        age: int
        tags: list[str]

    answer = client.chat.completions.parse(**ask("make somebody up"), response_format=Person)
    assert isinstance(answer.choices[0].message.parsed, Person)


def test_many_async_requests_at_once(router):
    async def run():
        async with openai.AsyncOpenAI(base_url=router, api_key="unused", max_retries=0) as client:

            async def streamed(number):
                stream = await client.chat.completions.create(**ask(f"number {number}"), stream=True)
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            plain = [client.chat.completions.create(**ask(f"plain {number}")) for number in range(10)]
            texts = await asyncio.gather(*[streamed(number) for number in range(10)])
            answers = await asyncio.gather(*plain)
            assert all(texts) and all(answer.choices[0].message.content for answer in answers)

    asyncio.run(run())


def test_a_forced_tier_and_the_list_of_models(client):
    raw = client.chat.completions.with_raw_response.create(
        model="xrouter/frontier", messages=[{"role": "user", "content": "hi"}]
    )
    assert raw.headers["x-xrouter-source"] == "forced"
    assert raw.parse().model == "frontier-1"
    assert "xrouter/auto" in [model.id for model in client.models.list()]


def test_errors_are_the_clients_own_kinds(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="auto", messages=[{"role": "robot", "content": "hi"}])
    assert caught.value.body["upstream"] == "local"
    assert caught.value.request_id
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="auto", input="hi")
