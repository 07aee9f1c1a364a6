"""A headless Chromium for the tests, and what they ask of a figure in it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]

# Whether a canvas or an SVG holds more than one colour; WebGL is read through a copy, right after it was drawn.
DRAWN = """async (figure) => {
  figure.scrollIntoView({block: 'center'});
  const kind = figure.dataset.hlFigure;
  const end = performance.now() + 20000;
  if (kind === 'image') {
    return [...figure.querySelectorAll('img')].some(i => i.offsetWidth > 0 && i.naturalWidth > 1) ? '' : 'no picture';
  }
  while (!figure.classList.contains('hl-drawn')) {
    if (figure.classList.contains('hl-failed')) return 'drawing failed';
    if (performance.now() > end) return 'not drawn within 20 s';
    await new Promise(done => setTimeout(done, 50));
  }
  const colours = (canvas) => {
    const copy = document.createElement('canvas');
    copy.width = 64; copy.height = 64;
    const pen = copy.getContext('2d', {willReadFrequently: true});
    pen.drawImage(canvas, 0, 0, 64, 64);
    return new Set(new Uint32Array(pen.getImageData(0, 0, 64, 64).data.buffer)).size;
  };
  while (performance.now() < end) {
    await new Promise(done => requestAnimationFrame(done));
    if (kind === 'posable') {
      if (colours(figure.querySelector('canvas')) > 3) return '';
    } else if (kind === 'turning') {
      if (figure.querySelectorAll('svg path').length > 3) return '';
    } else if (kind === 'draggable') {
      if (figure.querySelectorAll('svg line').length > 3) return '';
    } else {
      const live = figure.querySelector('.hl-live');
      const scenes = Object.entries(live._fullLayout || {}).filter(([key, v]) => /^scene\\d*$/.test(key) && v._scene);
      if (scenes.length) {
        const blank = scenes.filter(([, v]) => { v._scene.glplot.redraw();
          return colours(v._scene.glplot.canvas) < 4; });
        if (!blank.length) return '';
      } else if (live.querySelectorAll('.main-svg path, .main-svg rect.bg, .main-svg image').length > 3) return '';
    }
    await new Promise(done => setTimeout(done, 50));
  }
  return 'drawn, and empty';
}"""


def unless_required(reason: str) -> None:
    """Skip with a reason; fail where the browser test was asked for."""
    (pytest.fail if os.environ.get("HANDLIB_REQUIRE_BROWSER", "") not in ("", "0") else pytest.skip)(reason)


@contextmanager
def launched_chromium() -> Iterator[Any]:
    """Chromium through playwright; skips the test with a reason where either is missing."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        unless_required("no chromium, chromium-browser or google-chrome on the PATH")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()
