"""`open_audio`: any file, whatever its format, and what becomes of silence, clipping, gaps and damage."""

import io
import logging
import math
import platform
import wave as wave_file
from contextlib import nullcontext
from operator import length_hint
from types import SimpleNamespace

import av
import numpy as np
import pytest
from sounds import RATE, encode, tone

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.audio import _decoding, log_mel, open_audio
from hebbstream.adapters.audio._log_mel import as_picture
from hebbstream.adapters.audio._microphones import find_sources
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP


def read(source, **options):
    with open_audio(source, **options) as stream:
        samples = list(stream)
    return samples, stream.stats


def pitch(sample):
    """The loudest frequency of a wave."""
    return float(np.abs(np.fft.rfft(sample.x[0])).argmax() * RATE / sample.x.shape[1])


@pytest.mark.parametrize(
    ("form", "codec", "close"),
    [
        ("wav", "pcm_s16le", 1e-4),
        ("wav", "pcm_f32le", 1e-7),
        ("flac", "flac", 1e-4),
        ("mp3", "libmp3lame", None),
        ("adts", "aac", None),
        ("ogg", "libopus", None),
        ("ipod", "aac", None),
        ("matroska", "flac", 1e-4),
    ],
)
def test_any_format(form, codec, close, tmp_path):
    wave = tone(700, 2.0)
    path = encode(wave, form=form, codec=codec, into=tmp_path / "sound.bin") if form == "ipod" else None
    samples, stats = read(path or encode(wave, form=form, codec=codec), form="wave", seconds=0.5)
    assert len(samples) in ((4,) if close else (3, 4))  # what compresses adds or takes a little at either end
    assert [sample.t for sample in samples] == pytest.approx([0.5 * i for i in range(len(samples))], abs=0.08)
    assert all(sample.x.shape == (1, 8000) and sample.x.dtype == np.float32 for sample in samples)
    assert all(abs(pitch(sample) - 700) <= 2 for sample in samples)
    if close:
        np.testing.assert_allclose(np.concatenate([sample.x[0] for sample in samples]), wave, atol=close)
    assert stats.corrupt == 0


def test_pictures_are_the_spectrograms_of_the_sound():
    wave = tone(300, 2.0)
    samples, _ = read(encode(wave, codec="pcm_f32le"), seconds=0.5, hop=0.25)
    assert [sample.t for sample in samples] == [0.25 * i for i in range(7)]
    wave = np.pad(wave, (0, 240))  # the last window reaches past the end
    for sample, start in zip(samples, range(0, 99999, 4000), strict=False):
        assert sample.x.shape == (64, 50)
        expected = as_picture(log_mel(wave[start : start + 49 * 160 + 400], RATE))
        np.testing.assert_allclose(sample.x, expected, atol=1e-4)
        assert 0 <= sample.x.min() < sample.x.max() <= 1
    hs.SoftHebbNet.from_preset("sound", width=4).learn_one(samples[0].x)


@pytest.mark.parametrize(("rate", "layout"), [(8000, "mono"), (44_100, "stereo"), (48_000, "stereo")])
def test_any_rate_and_number_of_channels_is_brought_to_one(rate, layout):
    wave = tone(700, 1.0, rate)
    samples, _ = read(encode(wave if layout == "mono" else [wave, wave], rate), form="wave", seconds=0.4)
    assert len(samples) == 2
    assert [round(pitch(sample)) for sample in samples] == [700, 700]
    assert all(np.abs(sample.x[0, 500:-500]).max() == pytest.approx(0.5, abs=0.02) for sample in samples)


def test_two_channels_stay_two():
    data = encode([tone(400), tone(900)])
    (sample, *_), _ = read(data, form="wave", seconds=0.5, channels=2)
    assert [int(np.abs(np.fft.rfft(channel)).argmax() * 2) for channel in sample.x] == [400, 900]
    (sample, *_), _ = read(data, seconds=0.5, channels=2)
    assert sample.x.shape == (2, 64, 50)
    (sample, *_), _ = read(encode(tone(400)), form="wave", seconds=0.5, channels=2)
    assert (sample.x[0] == sample.x[1]).all()


def test_a_rate_and_channels_that_change_midway_are_resampled_as_they_come():
    data = encode(tone(700, 2.0), form="mp3", codec="libmp3lame")
    data += encode([tone(700, 2.0, 44_100)] * 2, 44_100, form="mp3", codec="libmp3lame")
    samples, _ = read(data, form="wave", seconds=0.5, format="mp3")
    assert len(samples) >= 7
    pitches = [pitch(sample) for sample in samples]
    assert sum(abs(found - 700) <= 2 for found in pitches) == len(samples)


def test_silence_is_learned_as_it_is():
    samples, stats = read(encode(np.zeros(2 * RATE)), seconds=1.0)
    assert len(samples) == 2
    assert not any(sample.x.any() for sample in samples)
    net = hs.SoftHebbNet.from_preset("sound", width=4)
    assert net.learn_one(samples[0].x).isfinite().all()
    assert all(layer.weight.isfinite().all() for layer in net.layers)
    assert stats.corrupt == 0


def test_clipped_sound_is_named_once(caplog):
    with caplog.at_level(logging.WARNING, "hebbstream.audio"):
        samples, _ = read(encode(tone(300, 3.0, loudness=1.9), codec="pcm_f32le"), form="wave", seconds=0.5)
    assert len(samples) == 6
    assert max(sample.x.max() for sample in samples) == 1
    assert [record.message for record in caplog.records] == [
        "bytes: clipped at 0.0 s: the sound is louder than it can be recorded"
    ]


def test_sound_that_is_no_number_is_silence_and_counted():
    wave = tone(300, 1.0)
    wave[5000:5010] = np.nan
    wave[9000] = np.inf
    data = bytearray(encode(np.zeros(RATE), codec="pcm_f32le"))
    data[-4 * RATE :] = wave.tobytes()
    samples, stats = read(bytes(data), form="wave", seconds=0.5)
    assert all(np.isfinite(sample.x).all() for sample in samples)
    assert not samples[0].x[0, 5000:5010].any()
    assert samples[1].x.max() < 0.51  # nor does what is infinite become a click
    assert 1 <= stats.corrupt <= 2


def with_gaps(path, wave, packet, delay):
    """Write sound in packets of so many samples, each `delay(start)` seconds later than its place."""
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE)
        stream.layout = "mono"
        for start in range(0, len(wave) // packet * packet, packet):
            frame = av.AudioFrame.from_ndarray(wave[None, start : start + packet], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, start + round(RATE * delay(start))
            container.mux(stream.encode(frame))
    return str(path)


@pytest.mark.parametrize("packet", [800, 16])
@pytest.mark.parametrize("rate", [RATE, 8000])
def test_no_sample_reaches_across_a_gap(packet, rate, tmp_path):
    path = with_gaps(tmp_path / "gap.mka", tone(700, 1.0), packet, lambda start: 3 * (start >= 8800))
    samples, _ = read(path, form="wave", seconds=0.2, rate=rate)
    assert [round(sample.t, 2) for sample in samples] == [0.0, 0.2, 3.55, 3.75]


def test_small_gaps_do_not_add_up(tmp_path):
    path = with_gaps(tmp_path / "gaps.mka", tone(700, 20.0), 160, lambda start: 0.1 * (start // RATE))
    samples, _ = read(path, form="wave", seconds=0.5)
    assert abs(samples[-1].t + 0.5 - 21.9) < 0.8


@pytest.mark.parametrize("channels", [8, 16])
def test_any_number_of_channels_is_mixed(channels):
    data = io.BytesIO()
    with wave_file.open(data, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.repeat(tone(700), channels) * 32767).astype("<i2").tobytes())
    (sample,), _ = read(data.getvalue(), form="wave")
    np.testing.assert_allclose(sample.x[0], tone(700), atol=1e-4)


def test_the_centre_is_heard_on_both_sides():
    surround = np.zeros((6, RATE), np.float32)
    surround[2] = tone(700)
    (sample,), _ = read(encode(surround, layout="5.1"), form="wave", channels=2)
    assert sample.x.shape == (2, RATE)
    assert all(0.3 < np.abs(side).max() < 0.51 for side in sample.x)


def write_film(path, codec, *, pictures=0.0, sound=0.0, first=0):
    """Three seconds, the last of them bright and loud; pictures and sound begin at some times. Stamps begin at `first`."""
    with av.open(str(path), "w") as container:
        seen, heard = container.add_stream("mpeg4", rate=25), container.add_stream(codec, rate=RATE)
        seen.width = seen.height = 32
        seen.pix_fmt, heard.layout = "yuv420p", "mono"
        for index in range(75):
            t = index / 25
            if t >= pictures:
                picture = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 200 * (t >= 2), np.uint8), "rgb24")
                picture.pts = index + 25 * first
                container.mux(seen.encode(picture))
            if t >= sound:
                piece = av.AudioFrame.from_ndarray((t >= 2) * tone(700, 0.04)[None], format="fltp", layout="mono")
                piece.sample_rate, piece.pts = RATE, 640 * (index + 25 * first)
                container.mux(heard.encode(piece))
        container.mux(seen.encode(None))
        container.mux(heard.encode(None))
    return path


@pytest.mark.parametrize("late", ["sound", "pictures"])
@pytest.mark.parametrize("first", [0, 10])
def test_sound_and_pictures_of_a_file_have_one_time(late, first, tmp_path):
    path = write_film(tmp_path / "late.mkv", "pcm_s16le", first=first, **{late: 1.0})
    with open_video(path) as frames:
        seen = [frame.t for frame in frames if frame.x.mean() > 100]
    heard = [sample.t for sample in read(path, form="wave", seconds=0.04)[0] if np.abs(sample.x).max() > 0.1]
    assert seen[0] == pytest.approx(2.0, abs=0.05)
    assert heard[0] == pytest.approx(2.0, abs=0.05)


def test_the_sound_of_a_video(tmp_path):
    samples, _ = read(write_film(tmp_path / "clip.mkv", "aac"), form="wave", seconds=0.5)
    assert len(samples) in (5, 6)
    assert abs(pitch(samples[4]) - 700) <= 20


def test_files_of_a_glob_follow_each_other(tmp_path):
    for name, hertz in (("a.wav", 300), ("b.wav", 600)):
        encode(tone(hertz, 1.3), into=tmp_path / name)
    (tmp_path / "c.wav").write_bytes(b"no sound at all" * 30)
    samples, stats = read(str(tmp_path / "*.wav"), form="wave", seconds=0.5, label=lambda t: t < 0.5)
    assert [(sample.source, round(pitch(sample)), sample.y) for sample in samples] == [
        ("a.wav", 300, True),
        ("a.wav", 300, False),
        ("b.wav", 600, True),
        ("b.wav", 600, False),
    ]
    assert [round(sample.t, 2) for sample in samples] == [0.0, 0.5, 1.3, 1.8]
    assert stats.failed == 1


def test_part_of_a_recording():
    data = encode(np.concatenate([tone(300, 1.0), tone(600, 2.0)]))
    samples, _ = read(data, form="wave", seconds=0.5, start=1.25, duration=1.1)
    assert [(round(sample.t, 2), round(pitch(sample))) for sample in samples] == [(1.25, 600), (1.75, 600)]
    assert len(read(data, form="wave", seconds=0.5, start=1.25, duration=math.inf)[0]) == len(
        read(data, form="wave", seconds=0.5, start=1.25)[0]
    )
    with open_audio(data, form="wave", seconds=0.5, start=1.25, duration=1.1) as stream:
        assert length_hint(stream) == 2


def test_it_begins_again():
    with open_audio(encode(tone(300, 1.0)), form="wave", seconds=0.5, loop=True) as stream:
        samples = [next(stream) for _ in range(5)]
    assert [round(sample.t, 2) for sample in samples] == [0, 0.5, 1, 1.5, 2]


def test_a_recording_of_one_second_begins_again_and_a_damaged_one_beside_it_is_passed_over(tmp_path):
    with open_audio(encode(tone(300, 1.0), into=tmp_path / "a.wav"), loop=True) as stream:
        assert [round(next(stream).t, 2) for _ in range(4)] == [0, 1, 2, 3]
    (tmp_path / "b.wav").write_bytes(b"no sound at all" * 30)
    samples, stats = read(str(tmp_path / "*.wav"))
    assert (len(samples), stats.failed) == (1, 1)


def test_stamps_that_jitter_leave_no_gap(tmp_path):
    delays = [0.2, 0.11, 0.02] + [0.2, 0.28] * 100
    path = with_gaps(tmp_path / "jitter.mka", tone(700, 20.0), 1600, lambda start: delays[start // 1600])
    samples, _ = read(path, form="wave", seconds=0.5)
    assert [sample.t for sample in samples] == pytest.approx([0.5 * index for index in range(40)], abs=1e-6)


def test_a_recording_of_one_second_is_a_sample():
    with open_audio(encode(tone(300, 1.0))) as stream:
        assert length_hint(stream) == 1
        assert [sample.x.shape for sample in stream] == [(64, 100)]


@pytest.mark.parametrize(
    "open_empty", [lambda path: open_audio(path, loop=True), lambda path: open_audio(path, start=5, loop=True)]
)
def test_what_is_too_short_for_a_sample_does_not_begin_again_for_ever(open_empty, tmp_path):
    with open_empty(encode(tone(300, 0.5), into=tmp_path / "short.wav")) as stream:
        assert list(stream) == []


def test_a_file_object_and_what_ffmpeg_makes():
    assert len(read(io.BytesIO(encode(tone(300))), form="wave", seconds=0.5)[0]) == 2
    assert len(read("lavfi:anoisesrc=duration=1", seconds=0.25)[0]) == 4


def test_a_run_over_sound_goes_on_exactly(tmp_path):
    path = encode(np.random.default_rng(0).uniform(-0.5, 0.5, 6 * RATE), into=tmp_path / "noise.wav")

    def learner():
        return hs.Learner(hs.SoftHebbNet.from_preset("sound", width=4))

    def stream():
        return open_audio(path, seconds=0.25)

    whole, part = learner(), learner()
    with stream() as sound:
        assert sound.fingerprint is not None
        whole.learn(sound, progress=False)
    with stream() as sound:
        part.learn(sound, limit=9, progress=False)
    part.save(tmp_path / "run.safetensors")
    part = hs.Learner.load(tmp_path / "run.safetensors")
    with stream() as sound:
        part.learn(sound, resume=True, progress=False)
    assert part.net.samples_seen == whole.net.samples_seen == 24
    assert (part.net.layers[1].weight == whole.net.layers[1].weight).all()
    with open_audio(path, seconds=0.5) as other:
        assert other.fingerprint != stream().fingerprint


@pytest.mark.parametrize(("declared", "cut"), [(None, True), (0, False), (2**31 + 36, False), (2**32 - 1, False)])
def test_a_wav_file_that_is_cut_says_so_if_its_header_knows_how_long_it_was(tmp_path, declared, cut):
    """A recorder that lost power, or that wrote into a pipe, has declared nothing, or the most."""
    data, path, found = bytearray(encode(tone(700, 3.0))), tmp_path / "cut.wav", []
    if declared is not None:
        data[4:8] = declared.to_bytes(4, "little")
    path.write_bytes(data[: len(data) // 2 + 100])
    message = r"cut.wav: truncated or damaged after 1\.5 s; its header declares 3\.0 s"
    refused = pytest.raises(errors.DamagedFileError, match=message) if cut else nullcontext()
    with open_audio(path, form="wave", seconds=0.5) as samples, refused:
        found.extend(samples)  # keeps what came before an error
    assert len(found) == 3


def test_a_file_that_is_cut_gives_what_it_has_and_says_so(tmp_path):
    data = encode(tone(300, 4.0), form="flac", codec="flac", into=tmp_path / "whole.flac").read_bytes()
    path = tmp_path / "cut.flac"
    path.write_bytes(data[: len(data) // 2])
    found = []
    with (
        open_audio(path, form="wave", seconds=0.5) as stream,
        pytest.raises(errors.DamagedFileError, match=r"cut.flac: truncated or damaged after .* s"),
    ):
        found.extend(stream)  # list.extend keeps what came before an error
    assert len(found) == 0 or len(found) >= 2
    with open_audio(path, form="wave", seconds=0.5) as stream:
        assert next(stream).x.shape == (1, 8000)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda tmp: tmp / "missing.wav", errors.SourceNotFoundError, "no file at .*missing.wav"),
        (lambda tmp: tmp, errors.NotASoundError, "is a folder: expected a file, or a glob such as '\\*.wav'"),
        (lambda tmp: CLIP, errors.NotASoundError, "demo.mp4: it holds no sound"),
        (lambda tmp: b"words, no sound\n" * 50, errors.NotASoundError, "bytes: (not sound|it holds no sound)"),
        (lambda tmp: b"\0" * 4000, errors.NotASoundError, "bytes: not sound"),
        (lambda tmp: "ftp://host/a.wav", errors.ConfigurationError, "source ftp://host/a.wav: expected"),
        (lambda tmp: "tcp://127.0.0.1:1", errors.ConnectionLostError, "cannot connect"),
        (lambda tmp: -1, errors.ConfigurationError, "source -1: expected a file, a glob, a microphone's number"),
    ],
)
def test_what_is_no_sound_is_refused(make, error, message, tmp_path):
    with pytest.raises(error, match=message):
        open_audio(make(tmp_path), retry_for=0)


def test_a_small_file_that_claims_to_last_for_hours_is_refused(monkeypatch):
    slow = bytearray(encode(tone(440)))
    slow[24:28] = (1).to_bytes(4, "little")  # samples a second
    with open_audio(bytes(slow), form="wave") as stream:
        assert next(stream).x.shape == (1, 16_000)
    monkeypatch.setattr(_decoding, "_MOST_SAMPLES", 10_000)
    with (
        open_audio(bytes(slow)) as stream,
        pytest.raises(errors.NotASoundError, match=r"bytes: [0-9,]+ samples? at 1 a second in one piece"),
    ):
        next(stream)
    slow[24:28] = (2**31 - 1).to_bytes(4, "little")
    with (
        open_audio(bytes(slow)) as stream,
        pytest.raises(errors.NotASoundError, match="samples at 2,147,483,647 a second"),
    ):
        next(stream)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "picture"}, "form='picture': expected 'mel' or 'wave'"),
        ({"seconds": 0}, "seconds=0: expected at least 0.01 seconds"),
        ({"hop": -1}, "hop=-1: expected at least 0.01 seconds"),
        ({"rate": 10}, "rate=10: expected 1,000 to 192,000 samples a second"),
        ({"channels": 3}, "channels=3: expected 1 or 2"),
        ({"mels": 4000}, "mels=4000: expected 1 to 200 bands at this rate"),
        ({"prefetch": -1}, "prefetch=-1: expected 0 or a positive number of samples"),
        ({"prefetch": None}, "prefetch=None: expected 0 or a positive number of samples"),
        ({"label": "a.json"}, r"label='a.json': expected a function .* such as read_labels\('a.json'\) gives"),
        ({"stream": 2}, "stream=2: expected one of the 1 in bytes, from 0"),
    ],
)
def test_options_that_cannot_work_are_refused(options, message):
    with pytest.raises(errors.ConfigurationError, match=message):
        open_audio(encode(tone(300)), **options)


@pytest.mark.parametrize(
    ("system", "text", "url", "container"),
    [
        ("Linux", "mic", "default", "alsa"),
        ("Linux", 1, "plughw:1", "alsa"),
        ("Linux", "hw:1,0", "hw:1,0", "alsa"),
        ("Darwin", "mic", ":default", "avfoundation"),
        ("Darwin", "0", ":0", "avfoundation"),
        ("Windows", "mic", "audio=Headset", "dshow"),
        ("Windows", "1", "audio=Array", "dshow"),
        ("Windows", "audio=Array", "audio=Array", "dshow"),
    ],
)
def test_microphones_by_platform(monkeypatch, system, text, url, container):
    devices = [
        SimpleNamespace(name=name, media_types=[kind])
        for name, kind in (("Camera", "video"), ("Headset", "audio"), ("Array", "audio"))
    ]
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(av.device, "enumerate_input_devices", lambda name: devices)
    (source,) = find_sources(text)
    assert (source.kind, source.url, source.format) == ("microphone", url, container)
    if system == "Windows":
        with pytest.raises(errors.SourceNotFoundError, match=r"no microphone 7: found \['Headset', 'Array'\]"):
            find_sources("7")


def test_microphones_that_cannot_be_listed_are_to_be_named(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    # Nothing but Windows has such devices.
    with pytest.raises(errors.SourceNotFoundError, match=r"no microphone 0: cannot list .*; name it: audio=NAME"):
        find_sources("mic")


def test_without_a_microphone_it_says_so():
    if platform.system() != "Linux":
        pytest.skip("of ALSA")
    with pytest.raises(errors.StreamError, match=r"hw:77"):
        open_audio("hw:77", retry_for=0)
