"""Errors of importing feeds.

FeedError
├── UnreadableFeedError  the file cannot be read as any format, or not safely
├── MappingError         a mapping names an unknown field or column
└── RefusedFeedError     the feed was read, but most of its rows, or all of its photos, cannot be used
"""


class FeedError(Exception):
    """A feed cannot be imported."""


class UnreadableFeedError(FeedError):
    """A file cannot be read as any format of feeds, or not safely."""


class MappingError(FeedError):
    """A mapping names a field or a column that does not exist."""


class RefusedFeedError(FeedError):
    """A feed was read, but too little of it can be used."""
