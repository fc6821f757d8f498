from __future__ import annotations

import http.client
import io
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hawklet.errors import OutputError, UsageError
from hawklet.spec import Rejection
from hawklet.web import WebOutput
from hawklet.web.output import parse_address
from made_live import made_result

pytest.importorskip("starlette", reason="the live page needs the extra 'web'")

ABOUT = {"source": "a test", "model": "colours", "variant": "int8-tflite"}


@pytest.fixture
def served() -> Iterator[WebOutput]:
    told: list[str] = []
    output = WebOutput("0", ABOUT, told.append)
    assert told == [f"live page at http://127.0.0.1:{output.port}/"]
    deadline = time.monotonic() + 20
    while not _answers(output):
        assert time.monotonic() < deadline, "the server does not answer"
        time.sleep(0.05)
    yield output
    output.close()


def _answers(output: WebOutput) -> bool:
    try:
        return _get(output, "/api/status").status == 200
    except OSError:
        return False


def _get(output: WebOutput, path: str) -> http.client.HTTPResponse:
    answer: http.client.HTTPResponse = urllib.request.urlopen(f"http://127.0.0.1:{output.port}{path}", timeout=10)
    return answer


def test_the_page_is_whole_and_loads_nothing_from_elsewhere(served: WebOutput) -> None:
    answer = _get(served, "/")
    page = answer.read().decode()
    assert "hawklet live" in page
    assert "http://" not in page
    assert "https://" not in page
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["access-control-allow-origin"] is None


def test_results_can_be_asked_for_and_followed(served: WebOutput) -> None:
    assert _get(served, "/api/latest").status == 204
    assert _get(served, "/frame.jpg").status == 204
    served.write(made_result("green", number=5))
    latest = json.load(_get(served, "/api/latest"))
    assert (latest["label"], latest["frame"], latest["age_ms"]) == ("green", 5, 12.5)
    status = json.load(_get(served, "/api/status"))
    assert (status["model"], status["results"], status["dropped"]) == ("colours", 1, 3)
    events = _get(served, "/api/events")
    first = events.readline().decode()
    assert json.loads(first.removeprefix("data: "))["label"] == "green"
    events.close()


def test_the_newest_frame_is_a_jpeg_of_the_right_colours(served: WebOutput) -> None:
    served.write(made_result("blue"))
    answer = _get(served, "/frame.jpg")
    assert answer.headers["content-type"] == "image/jpeg"
    picture = Image.open(io.BytesIO(answer.read()))
    assert picture.size == (48, 48)
    red, _, blue = picture.getpixel((24, 24))  # type: ignore[misc]  # an RGB pixel
    assert blue > 180 > 90 > red


def test_the_stream_sends_new_frames_and_ends_when_the_run_does(served: WebOutput) -> None:
    served.write(made_result("red"))
    stream = _get(served, "/stream.mjpg")
    assert stream.readline() == b"--frame\r\n"
    threading.Thread(target=served.close).start()
    rest = b""
    while block := stream.read(65536):
        rest += block
    assert rest.count(b"--frame") <= 1


def test_a_page_of_another_site_gets_no_answer(served: WebOutput) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    connection.request("GET", "/api/status", headers={"Host": "evil.example"})
    assert connection.getresponse().status == 400
    connection.close()


def test_nothing_can_be_changed_through_it(served: WebOutput) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    connection.request("POST", "/api/status", body=b"{}")
    assert connection.getresponse().status == 405
    connection.close()


def test_a_port_in_use_and_a_malformed_address_are_refused(served: WebOutput) -> None:
    with pytest.raises(OutputError, match="cannot serve"):
        WebOutput(str(served.port), ABOUT, lambda _: None)
    for wrong in ("http", "70000", "host:", ":"):
        with pytest.raises(UsageError, match="--web takes"):
            WebOutput(wrong, ABOUT, lambda _: None)


def test_it_is_bound_to_this_machine_unless_told() -> None:
    assert parse_address("8000") == ("127.0.0.1", 8000)
    assert parse_address("0.0.0.0:8000") == ("0.0.0.0", 8000)  # noqa: S104 -- what a user may ask for
    assert parse_address("[::1]:0") == ("::1", 0)


def test_it_answers_to_the_very_address_it_announces() -> None:
    told: list[str] = []
    output = WebOutput("127.0.0.2:0", ABOUT, told.append)
    try:
        address = told[0].removeprefix("live page at ")
        assert urllib.request.urlopen(address, timeout=10).status == 200  # noqa: S310 -- http, as announced
    finally:
        output.close()


def test_of_a_picture_with_a_fourth_plane_the_page_shows_the_colours(served: WebOutput) -> None:
    result = made_result("stop")
    pixels = np.full((20, 30, 4), (200, 0, 0, 0), dtype=np.uint8)
    served.write(replace(result, frame=replace(result.frame, image=pixels)))
    with Image.open(io.BytesIO(_get(served, "/frame.jpg").read())) as shown:
        assert shown.mode == "RGB" and shown.getpixel((15, 10))[0] > 190


def test_a_browser_shows_the_label_the_picture_and_the_numbers(served: WebOutput) -> None:
    if not Path("/usr/bin/chromium").exists():
        pytest.skip("needs Chromium, which is not installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    served.write(made_result("<b>stop</b>", score=0.87))
    with playwright.sync_playwright() as tools:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = tools.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        page = browser.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(f"http://127.0.0.1:{served.port}/")
        page.locator("#label", has_text="<b>stop</b>").wait_for(timeout=20_000)
        page.locator("#past span").first.wait_for(timeout=20_000)
        picture = page.locator("#live").element_handle(timeout=20_000)
        picture.wait_for_element_state("visible", timeout=20_000)
        assert page.text_content("#score") == "87 %"
        assert page.text_content("#age") == "13 ms"
        assert page.text_content("#state") == "live"
        for rejection, words in (
            (Rejection.DOUBTFUL, "in doubt; perhaps go, 31 %"),
            (Rejection.UNKNOWN, "unlike what"),
        ):
            served.write(made_result("go", score=0.31, rejection=rejection))
            page.locator("#score", has_text=words).wait_for(timeout=20_000)
            assert page.text_content("#label") == "?"
        browser.close()
    assert problems == []
