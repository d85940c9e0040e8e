"""What lies in folders of pictures beside pictures that are read."""

import numpy as np
import pytest
from PIL import Image

from hebbstream import errors
from hebbstream.adapters._picture import PictureFormat
from hebbstream.adapters.images import open_images
from hebbstream.cli._stills import open_stills

PIXELS = np.full((8, 8, 3), 9, np.uint8)


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(PIXELS).save(path, "PNG")


def test_pictures_of_other_formats_and_links_to_folders_are_told(tmp_path, caplog):
    for name in ("a/1.png", "a/2.HEIC", "b/3.heic", "b/4.cr2", "b/.5.heic", "b/notes.txt", "away/6.png"):
        write(tmp_path / "in" / name)
    (tmp_path / "in" / "away").rename(tmp_path / "away")
    (tmp_path / "in" / "c").symlink_to(tmp_path / "away")
    assert [sample.source for sample in open_images(tmp_path / "in")] == ["a/1.png"]
    (message,) = (record.getMessage() for record in caplog.records)
    assert "in: passed over: 1 links to folders, 1 pictures as .cr2, 2 pictures as .heic; expected" in message


def test_a_folder_of_other_formats_alone_is_told_of_them(tmp_path, caplog):
    write(tmp_path / "1.heic")
    with pytest.raises(errors.EmptyStreamError, match="holds no image"):
        open_images(tmp_path)
    assert "1 pictures as .heic" in caplog.text


def test_jpegs_as_browsers_name_them_are_read(tmp_path):
    for name in ("1.jfif", "2.jpe"):
        Image.fromarray(PIXELS).save(tmp_path / name, "JPEG")
    assert len(list(open_images(tmp_path))) == 2


def test_thumbnails_and_deleted_pictures_are_none(tmp_path, caplog):
    for name in (
        "a/1.png",
        "a/@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg",
        "#recycle/2.png",
        "$RECYCLE.BIN/3.png",
        "__MACOSX/4.png",
    ):
        write(tmp_path / name)
    assert [(sample.y, sample.source) for sample in open_images(tmp_path)] == [("a", "a/1.png")]
    assert not caplog.records


def test_the_order_of_a_film_stays_beside_thumbnails_and_links(tmp_path):
    names = [f"{index:02}.png" for index in range(12)]
    for name in (*names, "@eaDir/00.png/SYNOPHOTO_THUMB_M.jpg"):
        write(tmp_path / "film" / name)
    (tmp_path / "film" / "link").symlink_to(tmp_path)
    film = open_stills("images", str(tmp_path / "film"), PictureFormat(), arrays=(None, None), labels=None, mixed=True)
    assert [sample.source for sample in film] == names
