"""The dashboard of a running kms-sim in headless Chromium.

Usage: dashboard.py CHROMIUM ADMIN-URL OUTPUT-FOLDER
Prints what it waits for, one word a line, and goes on when a line comes on standard input: the test
that runs it makes requests and restarts the server in between.
"""

import sys

from playwright.sync_api import expect, sync_playwright


def main():
    chromium, url, folder = sys.argv[1:4]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        errors = []
        page = browser.new_page(viewport={"width": 1600, "height": 1100})
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("requestfailed", lambda request: None)
        page.goto(url)
        expect(page.locator("#link")).to_have_text("live", timeout=10_000)

        say("ask")  # A request is made now: it has to show within a second.
        expect(page.locator("#requests tr").first).to_contain_text("LAB-PC", timeout=1_000)
        expect(page.locator("#clients")).to_contain_text("LAB-PC", timeout=10_000)

        page.fill("#fault", "hresult code=0xC004F042 id=from-the-page")
        page.keyboard.press("Enter")  # By keyboard, as everything here can be done.
        switch = page.get_by_role("switch", name="fault from-the-page")
        expect(switch).to_have_attribute("aria-checked", "true", timeout=5_000)
        say("faulty")
        switch.focus()
        page.keyboard.press("Space")
        expect(switch).to_have_attribute("aria-checked", "false", timeout=5_000)
        say("healthy")

        page.get_by_role("button", name="+ 30 days").click()
        expect(page.locator("#clock-offset")).to_contain_text("+30 d", timeout=5_000)
        page.screenshot(path=f"{folder}/dashboard-1600.png", full_page=True)

        for name, options in {
            "dashboard-360": {"viewport": {"width": 360, "height": 800}},
            "dashboard-dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
            "dashboard-static": {"viewport": {"width": 1280, "height": 900}, "java_script_enabled": False},
        }.items():
            context = browser.new_context(**options)
            other = context.new_page()
            other.goto(url)
            if name == "dashboard-static":
                expect(other.locator("#requests")).to_contain_text("LAB-PC")
                expect(other.locator("#link")).to_contain_text("scripts are off")
            else:
                expect(other.locator("#link")).to_have_text("live", timeout=10_000)
            width = other.evaluate("document.documentElement.scrollWidth") if name != "dashboard-static" else 0
            assert width <= options["viewport"]["width"], f"{name} is {width} px wide"
            other.screenshot(path=f"{folder}/{name}.png", full_page=True)
            context.close()

        say("restart")  # The server ends and comes back at the same address.
        expect(page.locator("#link")).to_have_text("live", timeout=15_000)
        say("ask")
        expect(page.locator("#requests tr").first).to_contain_text("LAB-PC", timeout=5_000)
        assert not errors, errors
        browser.close()
    print("done", flush=True)


def say(word):
    print(word, flush=True)
    assert sys.stdin.readline(), "the test is gone"


main()
