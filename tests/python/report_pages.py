"""Report pages in headless Chromium: do they read, in light and dark and on a phone?

Usage: report_pages.py CHROMIUM OUTPUT-FOLDER FILE...
Fails with what is wrong; prints `FILE plots N` for each page and leaves screenshots in the folder.
"""

import pathlib
import sys

from playwright.sync_api import sync_playwright

VIEWS = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 400, "height": 800}, "color_scheme": "light"},
}


def main():
    chromium, folder, *files = sys.argv[1:]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for file in map(pathlib.Path, files):
            plots = {look(browser, file, view, folder) for view in VIEWS}
            assert len(plots) == 1, f"{file.name}: views differ in their plots: {plots}"
            print(file.name, "plots", plots.pop(), flush=True)
        browser.close()


def look(browser, file, view, folder):
    """Opens a page in one view and returns how many plots it has."""
    where = f"{file.name}, {view}"
    context = browser.new_context(**VIEWS[view])
    page = context.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append("a dialog"), dialog.dismiss()))
    page.on("request", lambda request: request.url.startswith("file:") or complaints.append(request.url))
    page.goto(file.as_uri())
    page.screenshot(path=f"{folder}/{file.stem}-{view}.png", full_page=True)
    assert not complaints, f"{where}: {complaints}"
    # Text from elsewhere that became an element would be one of these.
    alien = page.locator("script, iframe, img, object, embed, a, link, [onerror], [onload]").count()
    assert alien == 0, f"{where}: {alien} elements that no page has"
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= VIEWS[view]["viewport"]["width"], f"{where} is {width} px wide"
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = sum(map(int, back.removeprefix("rgb(").removesuffix(")").split(","))) < 3 * 128
    assert dark == (view == "dark"), f"{where}: background {back}"
    plots = page.locator("figure.plot > svg[role=img]")
    many = plots.count()
    for index in range(many):
        sees_shapes(where, plots.nth(index))
    context.close()
    return many


def sees_shapes(where, plot):
    title = plot.locator("title").first.text_content()
    box = plot.bounding_box()
    assert box and box["width"] > 200 and box["height"] > 80, f"{where}: `{title}` is {box}"
    shapes = plot.evaluate(
        """svg => [...svg.querySelectorAll('.line, .area, .bins rect, .dots circle')]
            .map(shape => shape.getBoundingClientRect())
            .filter(box => box.width + box.height > 1).length"""
    )
    assert shapes > 0, f"{where}: nothing is drawn in `{title}`"


main()
