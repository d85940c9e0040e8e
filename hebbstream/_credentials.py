"""Keep user names and passwords out of everything that people read: logs, errors, files."""

import re

# User and password before the host. Greedy up to the last @, as a password may hold one.
_USER_INFO = re.compile(r"(?<=://)[^\s'\"]*@")
_SECRET_PARAMETER = re.compile(
    r"(?i)(?<=[?&;])((?:user(?:name)?|login|pass(?:word|wd)?|pwd|token|access_token|auth|api_?key|key|secret|sig(?:nature)?)=)[^&;\s'\"]*"
)
MASK = "***"


def mask_credentials(text: str) -> str:
    """Replace user names, passwords and tokens in every URL of a text by ``***``.

    Examples
    --------
    >>> mask_credentials("cannot open rtsp://admin:p@ss@10.0.0.7/live?token=a1b2&stream=2")
    'cannot open rtsp://***@10.0.0.7/live?token=***&stream=2'
    >>> mask_credentials("clips/day@night.mp4")
    'clips/day@night.mp4'
    """
    return _SECRET_PARAMETER.sub(rf"\g<1>{MASK}", _USER_INFO.sub(f"{MASK}@", text))
