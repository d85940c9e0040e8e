"""Keep user names and passwords out of everything that people read: logs, errors, files."""

import re

MASK = "***"

# User and password before the host: up to the last @ of a word, as a password may hold slashes, or the last before a slash, as
# it may hold spaces and quotes. Where an address was taken for a path, one of its slashes is gone, or is a backslash.
_USER_INFO = re.compile(
    r"(?:(?<=://)|(?<=[A-Za-z]{2}:[/\\])(?![/\\]))"
    r"(?:(?:(?!://)[^/\\\n])*+[/\\](?:(?!://)[^\s'\"]){0,1000}@|(?:(?!://)[^/\\\n])*@)"
)
# A name with an escape (%) may say anything. The value ends at the next parameter, or else where a message goes on.
_NAME = r"[^=&;#?\s'\"]{0,99}"
_TELLING = "user|usr|login|pas|pw|token|secret|key|auth|sig|jwt|cred|session"
_SECRET_PARAMETER = re.compile(
    rf"(?<=[?&;#])({_NAME}(?:{_TELLING}|%){_NAME}=)"
    r"(?:\*\*\*(?!\w)|[^\n]*?(?=&|;[\w.%-]+=|\n|['\")]{0,3}(?:[:,]?\Z|[:,]\s|\s\()|['\"]\s))",  # or has been masked before
    re.IGNORECASE,
)

# Recorders have them in the path: /user=admin_password=secret_channel=1. There an underscore may be of the value.
_ADDRESS = re.compile(r"://[^\s'\"]*")
_SECRET_PART = re.compile(
    rf"(?<=[/_])([^/_=&;#?]{{0,30}}(?:{_TELLING})[^/_=&;#?]{{0,30}}=).*?(?=[/_][A-Za-z]{{1,30}}=|[&;?#]|[:,)]*\Z)",
    re.IGNORECASE,
)


def mask_credentials(text: str) -> str:
    """Replace user names, passwords and tokens in every URL of a text by ``***``: too much of it rather than too little.

    Examples
    --------
    >>> mask_credentials("cannot open rtsp://admin:p@ss@10.0.0.7/live?token=a1b2&stream=2")
    'cannot open rtsp://***@10.0.0.7/live?token=***&stream=2'
    >>> mask_credentials("no checkpoint at rtsp:/admin:secret@10.0.0.7/live")
    'no checkpoint at rtsp:/***@10.0.0.7/live'
    >>> mask_credentials("clips/day@night.mp4"), mask_credentials("C:/clips/day@night.mp4")
    ('clips/day@night.mp4', 'C:/clips/day@night.mp4')
    """
    text = _ADDRESS.sub(lambda address: _SECRET_PART.sub(rf"\g<1>{MASK}", address[0]), text)
    # Parameters first: an @ in one of them would pass for the end of a password.
    return _USER_INFO.sub(f"{MASK}@", _SECRET_PARAMETER.sub(rf"\g<1>{MASK}", text))
