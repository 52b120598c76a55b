"""That a service is waited for and stopped, and one that does not get ready is an error."""

from pathlib import Path

import httpx
import pytest

from benchmarks.service.servers import ServerError, started


@pytest.mark.integration
def test_a_service_is_there_until_the_end(tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    answer.write_bytes(b'{"hits":[]}')
    program = ["benchmarks.service.bare", "--answer", answer]
    with started(program, "/openapi.json", tmp_path / "log") as server:
        assert httpx.post(f"{server.url}/search", json={}).content == b'{"hits":[]}'
        assert Path(f"/proc/{server.pid}/status").is_file()
    with pytest.raises(httpx.TransportError):
        httpx.get(server.url)
    assert not Path(f"/proc/{server.pid}/status").exists()


@pytest.mark.integration
def test_a_service_that_ends_by_itself(tmp_path: Path) -> None:
    program = ["benchmarks.service.bare", "--answer", tmp_path / "none"]
    with pytest.raises(ServerError, match=r"is not answered with 200; .*log ends with: (.|\n)*none"):
        started(program, "/openapi.json", tmp_path / "log").__enter__()
