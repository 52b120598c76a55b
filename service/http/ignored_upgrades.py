"""Requests to change the protocol are ignored, and answered as any other (RFC 9110, section 7.8).

Clients that prefer HTTP/2, such as Java's, send `Upgrade: h2c` with their first request. The parser takes what follows
such a head for another protocol, so that the request would lose its body.
"""

import httptools

from service.http.request_limits import RequestLimitsProtocol


class IgnoredUpgradeProtocol(RequestLimitsProtocol):
    """A connection that stays at HTTP/1.1."""

    _is_upgrade = False  # the head just parsed asks for another protocol

    def parse(self, data: bytes) -> None:
        """Parse received bytes; a head that asks for another protocol is parsed again without its wish."""
        try:
            super().parse(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._is_upgrade = False
            head = _without_upgrade(self.parser, self.url, self.headers)
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # like uvicorn's
            self.parse(head)
            if (rest := data[upgrade.args[0] :]) and not self.has_stopped_parsing:
                self.parse(rest)

    def on_headers_complete(self) -> None:
        """Leave a head that asks for another protocol to `parse`."""
        # CONNECT asks by its method; its target is no path, which is refused.
        self._is_upgrade = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if not self._is_upgrade:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Ignore the end that the parser sees right behind such a head."""
        if not self._is_upgrade:
            super().on_message_complete()


def _without_upgrade(parser: httptools.HttpRequestParser, url: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return the head of a request without the wish to change the protocol."""
    first = b"%b %b HTTP/%b" % (parser.get_method(), url, parser.get_http_version().encode())
    kept = [(name, value) for name, value in headers if name not in (b"upgrade", b"connection")]
    options = [option for name, value in headers if name == b"connection" for option in value.split(b",")]
    left = [option for option in options if option.strip().lower() != b"upgrade"]
    if left:
        kept.append((b"connection", b",".join(left)))
    return b"\r\n".join([first, *(b"%b: %b" % header for header in kept), b"", b""])
