import time

import pytest
from clips import ramp, write_clip

from hebbstream import errors
from hebbstream.adapters.video import open_video, read_labels

JSON = '{"segments": [{"start": 1, "end": 2.5, "label": "day"}, {"start": 4, "label": null}, {"start": 5, "label": 7}]}'
CSV = "start,end,label\n1,2.5,day\n4,,\n5,,7\n"
CSV_TURNED = '\ufefflabel, start, end\n"day", 1, 2.5\n\n"", 4, 5\n7, 5, \n'
VTT = (
    "\ufeffWEBVTT - made by hand\r\nKind: captions\r\n\r\nNOTE\r\nnothing\r\n\r\n"
    "00:01.000 --> 00:02.500 line:0 align:left\r\n<v Ann>day</v>\r\n\r\nSTYLE\r\n::cue {}\r\n\r\n\r\n"
    "last\r\n00:00:05.000 --> 99:00:00.000\r\n7\r\n"
)


@pytest.mark.parametrize(
    ("name", "text"), [("a.json", JSON), ("a.csv", CSV), ("b.CSV", CSV_TURNED), ("a.vtt", VTT)], ids=lambda v: v[:6]
)
def test_a_label_holds_from_its_start_to_its_end_and_nowhere_else(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    label = read_labels(tmp_path / name)
    at = [0.0, 0.99, 1.0, 2.49, 2.5, 3.99, 4.0, 4.99, 5.0, 1e5]
    assert [label(t) for t in at] == [None, None, "day", "day", None, None, None, None, "7", "7"]


def test_what_a_subtitle_may_hold(tmp_path):
    path = tmp_path / "a.vtt"
    path.write_text("WEBVTT\n00:00.000 --> 00:01.000\ncats &amp; dogs\n<i>asleep</i>\n\n00:01.000 --> 00:02.000\n")
    label = read_labels(path)
    assert [label(0.5), label(1.5)] == ["cats & dogs asleep", None]


def test_half_a_millisecond_is_the_rounding_of_a_clock(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("start,end,label\n1,2,day\n2,3,night\n")
    label = read_labels(path)
    assert [label(t) for t in (0.9996, 1.9996, 2.9996)] == ["day", "night", None]


def test_times_that_were_computed_may_overlap_by_their_rounding(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("start,end,label\n" + "".join(f"{n * 0.2},{n * 0.2 + 0.2},{n}\n" for n in range(60)))
    label = read_labels(path)
    assert [label(n * 0.2 + 0.1) for n in range(60)] == [str(n) for n in range(60)]
    path.write_text("start,end,label\n0,12345.679,day\n12345.678,,night\n")
    with pytest.raises(errors.ConfigurationError, match=r"end 12345\.679 after the next start 12345\.678; "):
        read_labels(path)


def test_frames_outside_every_span_have_no_label(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"segments": [{"start": 0.4, "end": 0.8, "label": "here"}]}')
    with open_video(write_clip(tmp_path / "a.mp4", ramp(50)), label=read_labels(path)) as frames:
        assert [sample.y for sample in frames] == [None] * 10 + ["here"] * 10 + [None] * 30


def segment(text):
    return f'{{"segments": [{text}]}}'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "line 1"),
        ("a.json", "[]", r'expected \{"segments"'),
        ("a.json", '{"segments": {}}', r'expected \{"segments"'),
        ("a.json", '{"segments": []}', "no segments"),
        ("a.json", '{"segments": [], "fps": 3}', "unknown 'fps'"),
        ("a.json", segment('{"start": 0}'), "expected start and label"),
        ("a.json", segment('["day"]'), "expected start and label"),
        ("a.json", segment('{"start": 0, "stop": 2, "label": "a"}'), "unknown 'stop'; expected start, end, label"),
        ("a.json", segment('{"start": 0, "End": 2, "label": "a"}'), "unknown 'End'"),
        *(
            ("a.json", segment(f'{{"start": 0, "label": {label}}}'), "expected text, a number")
            for label in ('["a"]', '{"name": "a"}', "[]")
        ),
        ("a.json", segment('{"start": 0, "label": NaN}'), "expected a finite number"),
        *(
            ("a.json", segment(f'{{"start": {start}, "label": "a"}}'), "expected seconds")
            for start in ('"0"', "true", "null", "[]", "NaN", "1e999", "9" * 400)
        ),
        ("a.json", segment('{"start": -1, "label": "a"}'), "start -1; expected 0 or later"),
        ("a.json", segment('{"start": 2, "end": 2, "label": "a"}'), "expected it after the start"),
        ("a.json", segment('{"start": 2, "label": "a"}, {"start": 1, "label": "b"}'), "order of time"),
        ("a.json", segment('{"start": 2, "label": "a"}, {"start": 2, "label": "b"}'), "order of time"),
        ("a.json", segment('{"start": 0, "end": 3, "label": "a"}, {"start": 2, "label": "b"}'), "one label at a time"),
        ("a.json", "[" * 100_000, "recursion"),
        ("a.csv", "", "expected start,end,label"),
        ("a.csv", "0,1,day\n", "first line '0,1,day'; expected start,end,label"),
        ("a.csv", "start;end;label\n0;1;day\n", "expected start,end,label"),
        ("a.csv", "start,end,label,colour\n0,1,day,red\n", "unknown 'colour'"),
        ("a.csv", "start,end,label\n0,1\n", "line 2; expected 3 values"),
        ("a.csv", "start,end,label\n0,1,a,b\n", "line 2; expected 3 values"),
        ("a.csv", "start,label\n0:05,day\n", "time '0:05'; expected seconds"),
        ("a.csv", 'start,label\n0,"day\n', "unexpected end"),
        ("a.vtt", "1\n00:00.000 --> 00:01.000\nday\n", "first line '1'; expected WEBVTT"),
        ("a.vtt", "WEBVTT\n\n00:00,000 --> 00:01,000\nday\n", "time '00:00,000'; expected hh:mm:ss"),
        ("a.vtt", "WEBVTT\n\n00:00.000 -> 00:01.000\nday\n", "expected a cue"),
        ("a.vtt", "WEBVTT\n\n00:00.000 -->\nday\n", "time ''"),
        ("a.vtt", "WEBVTT\n", "no segments"),
        ("a.vtt", "WEBVTT\n\n00:00.000 --> 00:02.000\na\n\n00:01.000 --> 00:03.000\nb\n", "one label at a time"),
        ("a.txt", "0 1 day\n", r"found .txt; expected .json, .csv, .vtt"),
        ("labels", "", "found no suffix"),
    ],
)
def test_labels_that_mean_nothing_sure_are_refused(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(errors.ConfigurationError, match=message) as refused:
        read_labels(path)
    assert str(refused.value).startswith(f"labels {path}: ")
    assert len(str(refused.value)) < len(str(path)) + 150


@pytest.mark.parametrize("name", ["missing.json", "folder.csv", "latin.json"])
def test_labels_that_cannot_be_read(tmp_path, name):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "latin.json").write_bytes(b"\xe9")
    with pytest.raises(errors.ConfigurationError, match=f"labels .*{name}: "):
        read_labels(tmp_path / name)


def test_the_name_of_a_file_of_labels_is_no_function_of_the_time():
    with pytest.raises(
        errors.ConfigurationError, match=r"label='labels.json': expected .* read_labels\('labels.json'\)"
    ):
        open_video("clip.mp4", label="labels.json")


def test_a_subtitle_of_tags_that_never_end_takes_little_time(tmp_path):
    path = tmp_path / "a.vtt"
    path.write_text("WEBVTT\n\n00:00.000 --> 00:01.000\n" + "<" * 200_000 + "b>day\n")
    began = time.perf_counter()
    assert read_labels(path)(0.0) == "<" * 199_999 + "day"
    assert time.perf_counter() - began < 5
