"""Labels of pictures, in a table beside them."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hebbstream import errors
from hebbstream.adapters._file_labels import read_file_labels
from hebbstream.adapters.images import open_images


@pytest.fixture
def pictures(tmp_path):
    """Four pictures, one of them deeper."""
    for name in ("1.png", "2.png", "3.png", "deep/4.png"):
        path = tmp_path / "pics" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 9, np.uint8)).save(path)
    return tmp_path / "pics"


def labels_of(folder, labels):
    return {sample.source: sample.y for sample in open_images(folder, labels=labels)}


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("t.csv", "file_name,label\n1.png,cat\n2.png,dog\n3.png,\ndeep/4.png,cat\n"),
        ("t.csv", '\ufefffilename,width,class\n"pics/1.png",8,cat\npics/2.png,8,dog\r\npics/deep/4.png,8,cat'),
        ("t.csv", "id;label\n1;cat\n2;dog\n.\\deep\\4;cat\ngone;cat\n"),
        (
            "t.JSONL",
            '{"image": "1.png", "label": "cat"}\n\n{"image": "2.png", "label": "dog"}\n{"image": "deep/4", "label": "cat"}',
        ),
    ],
)
def test_a_table_names_the_labels(pictures, caplog, name, table):
    (pictures / name).write_text(table, encoding="utf-8")
    assert labels_of(pictures, pictures / name) == {"1.png": "cat", "2.png": "dog", "3.png": None, "deep/4.png": "cat"}
    assert "1 of 4 pictures have no label" in caplog.text


def test_labels_may_come_from_a_program(pictures, caplog):
    given = {"1.png": 7, "2.png": 8, "3.png": 7, "deep/4.png": 8}
    assert (
        labels_of(pictures, given) == labels_of(pictures, {Path(name): label for name, label in given.items()}) == given
    )
    assert not caplog.records


def test_whole_numbers_of_json_are_names(pictures):
    (pictures / "t.jsonl").write_text('{"file": "1.png", "label": 3}')
    assert labels_of(pictures, pictures / "t.jsonl")["1.png"] == "3"


@pytest.mark.parametrize(
    ("name", "table", "message"),
    [
        ("t.csv", "start,end,label\n0,1,cat\n", "row 1: found start, end, label; expected file_name and label"),
        ("t.csv", "file_name,label\n1.png,cat\n1.png,dog\n", "row 2: '1.png' is 'dog'; expected 'cat', as before"),
        (
            "t.csv",
            "file_name,label\nother.png,cat\n",
            "found 'other.png'; expected names of its pictures, such as '1.png'",
        ),
        ("t.csv", "file_name,label\n", "found none; expected names of its pictures"),
        ("t.jsonl", '{"file_name": "1.png", "label": ["cat"]}', "line 1: label ['cat']; expected text"),
        ("t.jsonl", "[1]", 'line 1: [1]; expected {"file_name": "1.png", "label": "cat"} or the like'),
        ("t.jsonl", '{"file_name": "1.png", "label": "cat"}\n{', "line 2: "),
        ("t.txt", "1.png cat\n2.png dog\n", "row 1: found 1.png cat; expected file_name and label"),
        ("gone.jsonl", None, "No such file"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(pictures, name, table, message):
    if table is not None:
        (pictures / name).write_text(table)
    with pytest.raises(errors.ConfigurationError, match=f"^labels .*{re.escape(message)}"):
        open_images(pictures, labels=pictures / name)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_table_in_another_encoding_is_refused(pictures, name):
    (pictures / name).write_bytes("file_name,label\n1.png,café\n".encode("latin-1"))
    with pytest.raises(errors.HebbstreamError, match="expected text in utf-8"):
        open_images(pictures, labels=pictures / name)


def test_no_table_is_found():
    with pytest.raises(errors.StreamError, match=r"gone.csv: it cannot be read \(No such file"):
        read_file_labels("gone.csv")
