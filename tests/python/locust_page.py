"""Locust's own page in headless Chromium: it must show the rows of our worker.

Usage: locust_page.py CHROMIUM URL
"""

import sys

from playwright.sync_api import sync_playwright

chromium, url = sys.argv[1:]
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    page = browser.new_page()
    page.goto(url)
    row = page.locator("tr", has_text="kms").filter(has_text="KMS").first
    row.wait_for(timeout=60_000)
    assert "KMS" in row.inner_text(), row.inner_text()
    browser.close()
