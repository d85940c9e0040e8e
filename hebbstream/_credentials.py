"""Keep user names and passwords out of everything that people read: logs, errors, files."""

import re

# User and password before the host. Greedy up to the last @, as a password may hold one. Where an address was taken for a path,
# one of its slashes is gone.
_USER_INFO = re.compile(r"(?:(?<=://)|(?<=[A-Za-z]{2}:/)(?!/))[^\s'\"]*@")
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
    >>> mask_credentials("no checkpoint at rtsp:/admin:secret@10.0.0.7/live")
    'no checkpoint at rtsp:/***@10.0.0.7/live'
    >>> mask_credentials("clips/day@night.mp4"), mask_credentials("C:/clips/day@night.mp4")
    ('clips/day@night.mp4', 'C:/clips/day@night.mp4')
    """
    return _SECRET_PARAMETER.sub(rf"\g<1>{MASK}", _USER_INFO.sub(f"{MASK}@", text))
