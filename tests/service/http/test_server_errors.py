"""What is answered when the application breaks."""

import asyncio
import json

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.http.server_errors import ServerErrorHandler


def answer(*before: Message) -> list[Message]:
    """What a client gets from an application that sends these messages and then breaks."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in before:
            await send(message)
        raise RuntimeError("secret inside")

    async def receive() -> Message:
        raise AssertionError("nothing to receive")

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/x", "headers": []}
    asyncio.run(ServerErrorHandler(app)(scope, receive, send))
    return sent


def test_a_break_before_the_answer_is_a_problem(caplog: pytest.LogCaptureFixture) -> None:
    start, body = answer()
    assert start["status"] == 500
    assert (b"content-type", b"application/problem+json") in start["headers"]
    assert (
        json.loads(body["body"])["detail"] == "an unexpected error occurred inside the service; its log has the details"
    )
    assert "RuntimeError: secret inside" in caplog.text


def test_a_break_within_the_answer_breaks_the_connection() -> None:
    with pytest.raises(RuntimeError, match="secret inside"):
        answer({"type": "http.response.start", "status": 200, "headers": []})


def test_a_request_that_is_cancelled_before_its_answer_is_told_to_come_again() -> None:
    sent: list[Message] = []

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    async def receive() -> Message:
        raise AssertionError("nothing to receive")

    async def send(message: Message) -> None:
        sent.append(message)

    async def test() -> None:
        scope: Scope = {"type": "http", "method": "GET", "path": "/"}
        task = asyncio.ensure_future(ServerErrorHandler(waiting)(scope, receive, send))
        await asyncio.sleep(0)
        task.cancel()
        await task

    asyncio.run(test())
    assert (sent[0]["status"], dict(sent[0]["headers"])[b"retry-after"]) == (503, b"1")
    assert b"the process is about to stop" in sent[1]["body"]
