"""The page of hebbstream/studio/browser in a real Chromium, whose webcam is a file."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from browsing import WAIT_MS, expect, opened, shows, sync_api
from forked import run_program

import hebbstream as hs
from benchmarks.core.chromium import PAGE, launch, missing, serve, write_camera
from hebbstream.adapters.river import LinearProbe
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_label
from hebbstream.export import publish

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

SHOWN = "rocket"
CAMERA = {"input_dtype": "uint8", "layout": "NHWC"}


@pytest.fixture(scope="module")
def playwright():
    with sync_api.sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def browser(playwright, tmp_path_factory):
    """Chromium whose webcam shows the frames of one photograph of the bundled clip, over and over."""
    with open_video(CLIP, label=clip_label()) as stream:
        shown = [sample.x for sample, _ in zip(stream, range(120), strict=False) if sample.y == SHOWN]
    with launch(playwright, write_camera(tmp_path_factory.mktemp("camera") / "camera.y4m", shown)) as browser:
        yield browser


@pytest.fixture
def site(tmp_path):
    """A folder with the page and an empty folder ``models``, and the address that serves it."""
    (tmp_path / "models").mkdir()
    with serve(tmp_path) as address:
        yield tmp_path, f"{address}?seconds=0.2"


def run(page, frame):
    """What the page computes from pixels given to it."""
    call = """async ([pixels, height, width]) => {
        const { run } = await import("/app.js");
        const { features, probabilities } = await run(Uint8Array.from(pixels), height, width);
        return [Array.from(features), probabilities && Array.from(probabilities)];
    }"""
    height, width = frame.shape[:2]
    features, probabilities = page.evaluate(call, [frame.ravel().tolist(), height, width])
    return np.array(features), probabilities


def latest(page):
    """The picture that the page last took from the camera, and what it computed from it."""
    call = """async () => {
        const { pixels, height, width, features } = (await import("/app.js")).latest();
        return [Array.from(pixels), height, width, Array.from(features)];
    }"""
    pixels, height, width, features = page.evaluate(call)
    return np.array(pixels, np.uint8).reshape(height, width, -1), np.array(features)


@pytest.mark.parametrize("wrong", ["seconds=often", "seconds=0", "seconds=-3", "seconds=1e9", "manifest=http://"])
def test_an_address_that_asks_for_what_cannot_be_is_refused(wrong, browser, site):
    with opened(browser, f"{site[1].partition('?')[0]}?{wrong}") as page:
        shows(page, "model-message", f"{wrong}: expected")


def test_names_are_shown_to_their_end_and_bars_in_high_contrast(browser, site):
    names = ["the cup that stands at the left hand", "the cup that stands at the left side", "كوب cup"]
    show = """async (classes) => {
        const { showLabels, showModel } = await import("/view.js");
        showModel({ layers: [], input: { channels: 3 }, classes });
        showLabels([0.5, 0.3, 0.2], { classes, minConfidence: 0 });
    }"""
    with opened(browser, site[1]) as page:
        page.evaluate(show, names)
        shown = page.locator("#bars .name")
        expect(shown).to_have_text(names)
        assert all(name.evaluate("(name) => name.scrollWidth <= name.clientWidth") for name in shown.all())
        expect(shown.last).to_have_css("direction", "rtl")
        page.emulate_media(forced_colors="active")
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        expect(page.locator("#bars .bar span").first).not_to_have_css("background-color", background)


def relative(found, expected):
    return np.abs(found - expected.numpy()).max() / expected.abs().max().item()


@pytest.fixture(scope="module")
def learned(labelled):
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=8), LinearProbe()
    hs.learn(net, labelled[:250], probe, progress=False)
    return net, probe


@pytest.fixture(scope="module")
def published(learned, tmp_path_factory):
    """A folder with a model and its manifest."""
    net, probe = learned
    return publish(net, tmp_path_factory.mktemp("published") / "net.json", probe, **CAMERA).parent


def test_the_webcam_becomes_labels_and_features_that_match_torch(browser, learned, published, site):
    folder, address = site
    shutil.copytree(published, folder / "models", dirs_exist_ok=True)
    with opened(browser, address) as page:
        shows(page, "samples", "250")
        page.click("#toggle")
        shows(page, "label", SHOWN)
        shows(page, "speed", "frames a second")
        bars = dict(row.split("\n") for row in page.locator("#bars li").all_inner_texts())
        assert sorted(bars) == sorted(map(str, learned[1].as_probe().classes))
        seen, features = latest(page)
        assert relative(features, learned[0].transform_one(seen)) <= 1e-4
        # A frame of the clip, but for the loss of colour on the way through the camera and another way of scaling.
        with open_video(CLIP, size=32, label=clip_label()) as stream:
            clip = np.stack([sample.x for sample, _ in zip(stream, range(120), strict=False)]).astype(float)
        distances = np.abs(clip - seen).mean(axis=(1, 2, 3))
        assert distances.min() < 6 < np.median(distances)
        while np.array_equal(latest(page)[1], features):
            page.wait_for_timeout(20)
        expect(page.locator("#camera-message")).to_be_hidden()
        expect(page.locator("#model-message")).to_be_hidden()
        page.click("#toggle")
        expect(page.locator("#label")).to_be_hidden()  # what was seen last is no longer there


def test_a_known_frame_gives_what_torch_gives(browser, learned, site):
    folder, address = site
    net, probe = learned
    grey = hs.SoftHebbNet.from_preset("mnist", width=4)
    generator = np.random.default_rng(0)
    with opened(browser, address) as page:
        for model, labels, options, shown in (
            (net, probe, {"layout": "NHWC", "input_dtype": "uint8"}, "32 × 32, RGB, uint8 NHWC"),
            (net, probe, {"layout": "NCHW", "input_dtype": "float32"}, "32 × 32, RGB, float32 NCHW"),
            (net, probe, {"layout": "NHWC", "input_dtype": "uint8", "resize": True}, "any size, RGB, uint8 NHWC"),
            (grey, None, {"layout": "NCHW", "input_dtype": "uint8", "size": 28}, "28 × 28, grey, uint8 NCHW"),
        ):
            publish(model, folder / "models" / "net.json", labels, **options)
            shows(page, "input", shown)
            side = options.get("size", 32)
            height, width = (48, 64) if "resize" in options else (side, side)
            frame = generator.integers(0, 256, (height, width, model.in_channels), dtype=np.uint8)
            features, probabilities = run(page, frame)
            image = torch.from_numpy(frame).permute(2, 0, 1)[None] / 255
            scaled = torch.nn.functional.interpolate(image, (side, side), mode="bilinear", antialias=True)
            expected = model.transform_one(scaled[0].clamp(0, 1))
            assert relative(features, expected) <= 1e-4
            if labels:
                found = list(labels.predict_proba_one(expected).values())
                assert probabilities == pytest.approx(found, abs=1e-3)
            else:
                assert probabilities is None


def test_a_newer_model_takes_over_and_a_damaged_one_does_not(browser, published, site):
    folder, address = site
    models = folder / "models"
    with opened(browser, address) as page:
        shows(page, "model-message", "No model yet")
        shutil.copytree(published, models, dirs_exist_ok=True)
        shows(page, "samples", "250")
        expect(page.locator("#model-message")).to_be_hidden()
        page.click("#toggle")
        shows(page, "label", SHOWN)

        path = publish(hs.SoftHebbNet.from_preset("cifar10", width=4), models / "net.json", size=32, **CAMERA)
        shows(page, "model", path.name)
        shows(page, "features-note", "1,024 features")
        expect(page.locator("#labels")).to_be_hidden()  # a model without a probe

        damaged = bytearray(path.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        (models / "damaged.onnx").write_bytes(damaged)
        (models / "junk.onnx").write_bytes(b"junk")
        manifest = json.loads((models / "net.json").read_text())
        for change, complaint in (
            ({"sha256": "0" * 64, "model": "damaged.onnx"}, "damaged.onnx is damaged"),
            ({"sha256": hashlib.sha256(b"junk").hexdigest(), "model": "junk.onnx"}, "junk.onnx does not run here"),
            ({"sha256": "1" * 64, "model": "../app.js"}, "expected a file name"),
            ({"sha256": "2" * 64, "model": "none.onnx"}, "none.onnx is missing"),
            ({"format": "other"}, "manifest of format"),
        ):
            (models / "net.json").write_text(json.dumps(manifest | change))
            shows(page, "model-message", complaint)
            shows(page, "model-message", "Keeping the model in use")
            shows(page, "model", path.name)
        features = latest(page)[1]
        while np.array_equal(latest(page)[1], features):  # frames go on through the model that was kept
            page.wait_for_timeout(20)
        assert len(latest(page)[1]) == 1024
        (models / "net.json").write_text(json.dumps(manifest))
        expect(page.locator("#model-message")).to_be_hidden(timeout=WAIT_MS)


def test_without_a_camera_the_page_says_so(playwright, site):
    _, address = site
    with launch(playwright) as browser, opened(browser, address) as page:
        page.click("#toggle")
        shows(page, "camera-message", "No camera was found")
        shows(page, "toggle", "Start the camera")


def test_its_benchmark_writes_its_result(tmp_path):
    output = tmp_path / "result.json"
    reduced = ["--widths", "4", "--precisions", "float32", "--rounds", "1", "--seconds", "0.5", "--output"]
    done = run_program("benchmarks.speed.browser", *reduced, output, folder=tmp_path, cwd=PAGE.parent.parent)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(output.read_text())["rows"]
    assert row["onnxruntime_web"]["calls"] == row["onnxruntime"]["calls"] > 0
