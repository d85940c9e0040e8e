"""JPEG pictures one after another over HTTP, as cameras send them and as they should not."""

import io
import threading
from http.server import BaseHTTPRequestHandler

import numpy as np
import pytest
from PIL import Image

from benchmarks.core.serving import serving
from hebbstream import errors
from hebbstream.adapters.video import open_video

HEADS = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
MULTIPART = "multipart/x-mixed-replace;boundary=frame"
LONG = b"123456789000000000000987654321"


def encoded(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


def picture(index):
    return encoded(np.full((48, 160, 3), 10 * (index % 20), np.uint8))


FORMS = {
    "as the standard says": (MULTIPART, lambda p: b"--frame\r\n" + HEADS % len(p) + p + b"\r\n"),
    "no lengths": (MULTIPART, lambda p: b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + p + b"\r\n"),
    "boundary after each": (MULTIPART, lambda p: HEADS % len(p) + p + b"\r\n--frame\r\n"),
    "empty line first": (
        f"multipart/x-mixed-replace;boundary={LONG.decode()}",
        lambda p: b"\r\n--" + LONG + b"\r\n" + HEADS % len(p) + p,
    ),
    "no headers": (MULTIPART, lambda p: b"--frame\r\n\r\n" + p + b"\r\n"),
    "pictures alone": (MULTIPART, lambda p: p),
    "another boundary": (MULTIPART, lambda p: b"--other\r\n" + HEADS % len(p) + p + b"\r\n"),
}
OTHERS = {
    "text": (MULTIPART, lambda p: b"camera is busy\r\n"),
    "noise": ("application/octet-stream", lambda p: np.random.default_rng(len(p)).bytes(4000)),
}


@pytest.fixture(scope="module")
def address():
    forms = {f"/{number}": form for number, form in enumerate([*FORMS.values(), *OTHERS.values()])}
    pictures = [picture(index) for index in range(20)]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            kind, form = forms[self.path]
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            try:
                for index in range(200):
                    self.wfile.write(form(pictures[index % 20]))
                    threading.Event().wait(0.005)
            except OSError:
                pass

    with serving(Handler) as address:
        yield address


def frames(url, **options):
    with open_video(url, prefetch=0, open_timeout=5, read_timeout=5, retry_for=0, **options) as stream:
        assert stream.live
        return [round(float(next(stream).x.mean()) / 10) for _ in range(15)]


@pytest.mark.parametrize("number", range(len(FORMS)), ids=FORMS)
def test_every_form_gives_every_picture_in_order(address, number):
    assert frames(f"{address}/{number}") == list(range(15))
    assert frames(f"{address}/{number}", format="mjpeg") == list(range(15))


@pytest.mark.parametrize("number", range(len(FORMS), len(FORMS) + len(OTHERS)), ids=OTHERS)
def test_what_holds_no_pictures_is_told_in_one_line(address, number):
    with pytest.raises(errors.StreamError) as caught:
        open_video(f"{address}/{number}", open_timeout=3, retry_for=0)
    assert "\n" not in str(caught.value)


def test_a_picture_that_breaks_off_is_left_out_and_counted():
    pictures = [encoded(np.random.default_rng(index).integers(0, 256, (48, 160, 3), np.uint8)) for index in range(5)]
    with open_video(b"".join(pictures), format="mjpeg") as stream:
        whole = [sample.x for sample in stream]
    pictures[2] = pictures[2][: len(pictures[2]) // 2]
    with open_video(b"".join(pictures), format="mjpeg") as stream:
        for sample, number in zip(stream, (0, 1, 3, 4), strict=True):
            np.testing.assert_array_equal(sample.x, whole[number])
        assert stream.stats.corrupt == 1
