"""``hawklet run`` and ``hawklet demo``."""

from __future__ import annotations

from pathlib import Path

import click

from hawklet.errors import UsageError
from hawklet.option_types import SEED, NumberRange

_PATH = click.Path(path_type=Path)
_SETTINGS = {"help_option_names": ["-h", "--help"]}


def _size(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """``640x480`` -> (640, 480)."""
    if value is None:
        return None
    width, cross, height = value.partition("x")
    if not (cross and value.isascii() and width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise click.BadParameter(f"a size is WIDTHxHEIGHT in pixels, as 640x480; got {value}")
    return int(width), int(height)


@click.command(context_settings=_SETTINGS)
@click.argument("positional", metavar="MODEL [SOURCE]", nargs=-1)
@click.option("--model", help="The model, where it does not stand first.")
@click.option("--source", help="picamera2://0, /dev/video0, csi://0, rtsp://, http://, synthetic://cards, or a path.")
@click.option("--labels", type=_PATH, help="Bare models: a text file with one label a line.")
@click.option("--normalize", help="Bare float models: 0..255, 0..1, -1..1 or imagenet.")
@click.option("--fit", type=click.Choice(["crop", "squash"]), help="Bare models: how pictures are fitted.")
@click.option("--variant", help="Bundles: which model, as int8-tflite.  [default: the first that runs here]")
@click.option("--threads", type=click.IntRange(1, 64), help="CPU threads.  [default: all, at most 4]")
@click.option("--top-k", type=click.IntRange(1), default=3, show_default=True, help="Predictions in each result.")
@click.option(
    "--smooth",
    type=click.IntRange(1, 10_000),
    metavar="FRAMES",
    help="Average the scores over about so many frames.  [default: each by itself]",
)
@click.option(
    "--threshold",
    type=NumberRange(0, 1),
    help="Answers with a lower score are not accepted.  [default: the bundle's own for each class]",
)
@click.option("--accept-unknown", is_flag=True, help="Bundles: accept pictures unlike those trained on.")
@click.option("--frames", type=click.IntRange(1), help="Stop after so many results.")
@click.option("--duration", type=NumberRange(0, min_open=True), help="Stop after so many seconds.")
@click.option("--size", metavar="WxH", callback=_size, help="Cameras: frame size.")
@click.option("--fps", type=NumberRange(0, 1000, min_open=True), help="Cameras: frames a second.")
@click.option("--realtime", is_flag=True, help="Video files: play at their own speed, as a camera would.")
@click.option("--jsonl", metavar="FILE", help="Write results as JSON lines; - for stdout.")
@click.option("--web", metavar="[HOST:]PORT", help="Serve a live page; on 127.0.0.1 unless told.")
@click.option("--mqtt", metavar="URL", help="Publish results: mqtt[s]://[user[:password]@]host[:port]/topic.")
@click.option("--gpio", metavar="LABEL=PIN", multiple=True, help="Light a pin (BCM number) while LABEL is seen.")
@click.option("--quiet", is_flag=True, help="Print no results.")
@click.option("--self-test", is_flag=True, help="First replay the bundle's golden frames; alone: only that.")
@click.option("--json", "as_json", is_flag=True, help="With --self-test alone: print its reports as JSON.")
def run(positional: tuple[str, ...], model: str | None, source: str | None, **options: object) -> None:
    """Classify live camera frames, a video, a picture or a folder with MODEL (.hawklet, .tflite or .onnx)."""
    from hawklet.session import RunArgs, model_and_source, run_session, self_test

    as_json = bool(options.pop("as_json"))
    args = RunArgs(*model_and_source(positional, model, source), **options)  # type: ignore[arg-type]  # checked by Click
    if args.self_test and args.source is None:
        self_test(args, as_json, click.echo)
        return
    if as_json:
        raise UsageError("--json goes with --self-test; results as JSON lines are --jsonl FILE")
    run_session(args)


@click.command(context_settings=_SETTINGS)
@click.option("--out", type=_PATH, default=Path("demo"), show_default=True, help="Folder for all that the demo makes.")
@click.option(
    "--seed",
    type=SEED,
    default=0,
    show_default=True,
    help="Decides the photos, the split and the training.",
)
@click.option("--per-class", type=int, default=160, show_default=True, help="Photos of each card.")
@click.option("--shown", type=int, default=20, show_default=True, help="Cards shown to the live model.")
@click.option(
    "--print-cards", type=_PATH, metavar="FILE", help="Only write the cards to print, as .pdf or .png, and end."
)
def demo(out: Path, seed: int, per_class: int, shown: int, print_cards: Path | None) -> None:
    """See the whole chain work on cards drawn for it: train, quantize, benchmark, classify live. About 10 minutes."""
    from hawklet.cards import print_sheet
    from hawklet.demo import DemoArgs, run_demo

    if print_cards is not None:
        print_sheet(print_cards)
        click.echo(f"cards written to {print_cards}: print the sheet at 100 %, cut the cards out, hold one up")
        return
    run_demo(DemoArgs(out, seed, per_class, shown), click.echo)
