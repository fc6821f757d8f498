from __future__ import annotations

import http.server
import io
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny_models
from hawklet import open_camera
from hawklet.cameras import CameraOptions
from hawklet.errors import CameraError, CameraNotFoundError, ImageError, UsageError

av = pytest.importorskip("av", reason="reading videos needs the extra 'camera'")


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 frames of 64x48, red then blue, 30 a second."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(str(path), "w") as container:
        track = container.add_stream("mpeg4", rate=30)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        for number in range(30):
            picture = np.zeros((48, 64, 3), dtype=np.uint8)
            picture[..., 0 if number < 15 else 2] = 200
            for packet in track.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in track.encode():
            container.mux(packet)
    return path


def test_a_video_file_gives_all_its_frames_in_rgb(film: Path) -> None:
    with open_camera(str(film)) as camera:
        assert not camera.live
        frames = []
        while (frame := camera.read()) is not None:
            frames.append(frame)
    assert [f.index for f in frames] == list(range(30))
    assert frames[0].image.shape == (48, 64, 3)
    assert frames[0].image[..., 0].mean() > 150
    assert frames[29].image[..., 2].mean() > 150


def test_a_film_in_real_time_is_a_live_source_that_takes_its_time(film: Path) -> None:
    with open_camera(str(film), CameraOptions(realtime=True)) as camera:
        assert camera.live
        moments = []
        while (frame := camera.read()) is not None:
            moments.append(frame.captured_at)
    assert np.diff(moments) == pytest.approx(1 / 30, abs=1e-3)  # due times, not the moments of a busy machine


def test_a_film_decides_its_own_size(film: Path) -> None:
    with pytest.raises(UsageError, match="--size"):
        open_camera(str(film), CameraOptions(width=10, height=10))


def test_a_damaged_film_is_a_clear_error(film: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no film")
    with pytest.raises(CameraNotFoundError, match="cannot open"):
        open_camera(str(text))


def test_an_http_stream_is_read_live_and_its_end_is_a_lost_camera() -> None:
    jpegs = []
    for colour in ("red", "green", "blue") * 8:
        stream = io.BytesIO()
        Image.fromarray(tiny_models.solid(colour, 64)).save(stream, "JPEG")
        jpegs.append(stream.getvalue())

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for jpeg in jpegs:
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n")
                self.wfile.write(f"Content-Length: {len(jpeg)}\r\n\r\n".encode() + jpeg + b"\r\n")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with open_camera(f"http://user:secret@127.0.0.1:{server.server_port}/cam.mjpg") as camera:
            assert camera.live
            assert "secret" not in camera.description
            first = camera.read()
            assert first is not None
            assert first.image.shape == (64, 64, 3)
            with pytest.raises(CameraError) as caught:
                while camera.read() is not None:
                    pass
            assert "secret" not in str(caught.value)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://127.0.0.1:9/none",
        "RTSP://admin:secret@127.0.0.1:9/none",
        "rtsp://127.0.0.1:9/user=admin&password=secret",
        "http://127.0.0.1:9/cam?user=admin&pwd=secret",
    ],
)
def test_a_stream_that_nobody_serves_is_a_clear_error_without_its_password(address: str) -> None:
    with pytest.raises(CameraNotFoundError, match=r"cannot open (rtsp|http)://127\.0\.0\.1:9 as") as caught:
        open_camera(address)
    assert "secret" not in str(caught.value)


def test_a_film_whose_name_looks_like_a_protocol_is_opened(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(film.parent)
    film.with_name("2026-01-01T10:00:00.mp4").write_bytes(film.read_bytes())
    with open_camera("2026-01-01T10:00:00.mp4") as camera:
        assert camera.read() is not None


def test_a_folder_gives_its_readable_pictures_in_order_and_reports_the_rest(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("b/2.png", "a.jpg"):
        Image.fromarray(tiny_models.solid("red")).save(tmp_path / name)
    (tmp_path / "b" / "1.jpg").write_text("damaged")
    (tmp_path / ".thumbnails").mkdir()
    (tmp_path / ".thumbnails" / "0.jpg").write_text("hidden")
    (tmp_path / "notes.txt").write_text("no picture")
    told: list[str] = []
    with open_camera(str(tmp_path), CameraOptions(report=told.append)) as camera:
        names = []
        while (frame := camera.read()) is not None:
            names.append((frame.index, frame.name))
    assert names == [(0, "a.jpg"), (1, "b/2.png")]
    assert told[0].startswith("passed over: b/1.jpg: not a picture")
    assert told[1:] == ["1 of 3 pictures could not be read"]


def test_an_unreadable_picture_alone_is_an_error_and_so_is_a_folder_of_them(tmp_path: Path) -> None:
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / name).write_text("damaged")
    with open_camera(str(tmp_path / "1.jpg")) as camera, pytest.raises(ImageError, match="not a picture"):
        camera.read()
    with open_camera(str(tmp_path)) as camera, pytest.raises(ImageError, match="none of the 2"):
        camera.read()


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("ftp://x/y", UsageError, "a source must be one of"),
        ("rtsp://[::1/s", CameraNotFoundError, "cannot open rtsp://"),
        ("nowhere.mp4", CameraNotFoundError, "there is nothing at nowhere.mp4"),
        ("synthetic://dogs", CameraNotFoundError, "synthetic://cards"),
        ("synthetic://cards?speed=3", UsageError, "speed"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused(source: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        open_camera(source)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CameraNotFoundError, match="there are none below"):
        open_camera(str(tmp_path))


def test_files_give_the_fourth_plane_that_is_asked_for_and_pass_over_pictures_without_one(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels[..., :3]).save(tmp_path / "b.png")
    told: list[str] = []
    with open_camera(str(tmp_path), CameraOptions(planes=4, report=told.append)) as camera:
        frame = camera.read()
        assert frame is not None and (frame.image == pixels).all()
        assert camera.read() is None
    assert told[0].startswith("passed over: b.png: a picture for 4 channels needs a fourth plane")


@pytest.mark.parametrize(
    "source", ["rtsp://user:secret@host/path", "/dev/video0", "picamera2://0", "synthetic://cards"]
)
def test_a_camera_is_refused_where_a_fourth_plane_is_asked_for(source: str) -> None:
    with pytest.raises(UsageError, match=r"takes pictures with a fourth plane, and .* gives RGB alone") as refused:
        open_camera(source, CameraOptions(planes=4))
    assert "secret" not in str(refused.value)


def test_a_film_is_refused_where_a_fourth_plane_is_asked_for(film: Path) -> None:
    with pytest.raises(UsageError, match=r"film\.mp4 gives RGB alone"):
        open_camera(str(film), CameraOptions(planes=4))
