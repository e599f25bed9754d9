"""Makes the pictures of the page in docs/pictures: light, dark, and on a phone."""

import base64
from pathlib import Path
from typing import Final

import psycopg
from selenium.webdriver.support.ui import WebDriverWait
from support.chromium import chromium
from support.page_server import page_of_fleet

from registry.database.migrator import Migrator
from registry.database.scratch import fresh_server

ROOT: Final = Path(__file__).resolve().parents[1]
_PICTURES: Final = {
    "page-accounts": ("/", 1200, 700, False),
    "page-account-dark": ("/account?name=grid_btc", 1200, 700, True),
    "page-phone": ("/?state=attention", 360, 700, False),
}


def main() -> None:
    """Writes them."""
    folder = ROOT / "docs" / "pictures"
    folder.mkdir(exist_ok=True)
    with fresh_server() as address:
        with psycopg.connect(address, autocommit=True) as connection:
            Migrator(connection).up()
        with page_of_fleet(address) as (_, page):
            for name, (path, width, height, dark) in _PICTURES.items():
                with chromium(width, height, dark=dark) as driver:
                    driver.get(f"{page.address}#token={page.token}")
                    WebDriverWait(driver, 30).until(lambda d: d.title.startswith("Accounts"))
                    driver.get(page.address.rstrip("/") + path)
                    WebDriverWait(driver, 30).until(lambda d: "live" in d.page_source)
                    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
                (folder / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
                print(f"docs/pictures/{name}.png")


if __name__ == "__main__":
    main()
