"""Numbers written into pictures so that lossy coding, scaling and grey leave them readable.

A picture is 4 × 3 cells. The corners tell its orientation: top left is white, the others black. The other eight cells
hold five bits of the number and three that check them.
"""

from typing import Any

import numpy as np

NUMBERS = 32
_ROWS, _COLUMNS = 3, 4
_BLACK, _WHITE = 24, 232
_DATA = np.array([1, 2, 4, 5, 6, 7, 9, 10])  # cells; 0, 3, 8 and 11 are the corners
_UNCLEAR = 0.2  # of the way from black to white, on both sides of the middle
_LEAST_CONTRAST = 60


def draw(number: int, height: int, width: int) -> Any:
    """Return a picture (H, W, 3) of a number from 0 to 31, uint8.

    Examples
    --------
    >>> read(draw(21, 48, 64)), read(draw(21, 48, 64)[::-1])
    (21, None)
    """
    cells = np.zeros(_ROWS * _COLUMNS, bool)
    cells[0] = True
    cells[_DATA] = _bits(number)
    grid = cells.reshape(_ROWS, _COLUMNS)
    rows, columns = np.arange(height) * _ROWS // height, np.arange(width) * _COLUMNS // width
    picture = np.where(grid[rows][:, columns], _WHITE, _BLACK).astype(np.uint8)
    return np.repeat(picture[..., None], 3, axis=2)


def read(picture: Any) -> int | None:
    """Return the number in a picture (H, W, 3) or (H, W); ``None`` if there is none, or not upright."""
    gray = np.asarray(picture, np.float32)
    gray = gray.mean(axis=2) if gray.ndim == 3 else gray
    height, width = gray.shape
    cells = np.array(
        [
            _middle(gray, row * height / _ROWS, height / _ROWS, column * width / _COLUMNS, width / _COLUMNS)
            for row in range(_ROWS)
            for column in range(_COLUMNS)
        ]
    )
    black, white = cells[[3, 8, 11]].mean(), cells[0]
    if white - black < _LEAST_CONTRAST:
        return None
    levels = (cells - black) / (white - black)
    if (np.abs(levels - 0.5) < _UNCLEAR).any() or (levels[[3, 8, 11]] > 0.5).any():
        return None
    bits = levels[_DATA] > 0.5
    number = int(bits[:5] @ (1 << np.arange(5)))
    return number if np.array_equal(bits, _bits(number)) else None


def _bits(number: int) -> Any:
    check = (5 * number + 3) % 8
    return np.array([number >> bit & 1 for bit in range(5)] + [check >> bit & 1 for bit in range(3)], bool)


def _middle(gray: Any, top: float, height: float, left: float, width: float) -> float:
    """Return the mean of the inner half of a cell."""
    rows = slice(round(top + height / 4), max(round(top + 3 * height / 4), round(top + height / 4) + 1))
    columns = slice(round(left + width / 4), max(round(left + 3 * width / 4), round(left + width / 4) + 1))
    return float(gray[rows, columns].mean())
