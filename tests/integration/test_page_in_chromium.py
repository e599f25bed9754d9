"""The page in a real browser: live, without scripts, on a phone, in the dark, by keyboard."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import psycopg
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from support.chromium import chromium
from support.demo_fleet import demo_fleet, plant_hostile_texts
from support.page_server import Browser, page_of
from support.proxy import Proxy
from support.world import World

from registry import Registry
from registry.services.views.described import VIEWS

pytestmark = pytest.mark.slow

PATHS = ["/", *(f"/{name}" for name in VIEWS if name != "accounts"), "/account?name=funding_arb"]

# The contrast of each visible text with the ground that it stands on.
_CONTRASTS = """
const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const light = (c) => linear(c / 255);
const parts = (text) => text.match(/[\\d.]+/g).map(Number);
const bright = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
const ground = (one) => {
  for (let at = one; at; at = at.parentElement) {
    const found = parts(getComputedStyle(at).backgroundColor);
    if (found.length < 4 || found[3] === 1) return found;
  }
  return [255, 255, 255];
};
const told = {};
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const one = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || !one.checkVisibility() || one.closest("option")) continue;
  const [a, b] = [bright(parts(getComputedStyle(one).color)), bright(ground(one))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) told[walk.currentNode.data.trim()] = ratio;
}
return told;
"""


class Lends(Protocol):
    def __call__(self) -> AbstractContextManager[str]: ...


@pytest.fixture(scope="module")
def shown(fresh_database: Lends) -> Iterator[tuple[World, Browser]]:
    with (
        fresh_database() as address,
        demo_fleet(address) as world,
        Registry.open(address) as registry,
        page_of(registry) as page,
    ):
        yield world, page


def sign_in(driver: Chrome, page: Browser, path: str = "/") -> None:
    """Opens the address that `serve` prints, and then a path."""
    driver.get(f"{page.address}#token={page.token}")
    seen(driver, "main h1", "Accounts")
    driver.get(page.address.rstrip("/") + path)


def seen(driver: Chrome, selector: str, text: str) -> Any:
    """Waits until an element has a text."""

    def found(_: Any) -> Any:
        elements = driver.find_elements(By.CSS_SELECTOR, selector)
        return next((one for one in elements if text in one.text), False)

    # What is replaced meanwhile is looked at again.
    return WebDriverWait(driver, 60, 0.1, ignored_exceptions=[Exception]).until(found)


def complaints(driver: Chrome) -> list[str]:
    """What the browser's console says, but for the first answer, which asks for the token."""
    told = [str(entry["message"]) for entry in driver.get_log("browser")]  # type: ignore[no-untyped-call]
    return [one for one in told if "401" not in one and "Password forms" not in one]


def test_a_change_is_seen_without_a_reload(shown: tuple[World, Browser]) -> None:
    world, page = shown
    with chromium() as driver:
        sign_in(driver, page, "/?account=new_*")
        assert "token" not in driver.current_url
        assert "No account fits account new_*." in seen(driver, ".nothing", "No account").text
        seen(driver, "#liveness", "live")
        driver.execute_script("window.unchanged = true")
        world.account("new_bot")
        seen(driver, "tbody", "new_bot")
        assert driver.execute_script("return window.unchanged")
        assert complaints(driver) == []
        fetched = driver.execute_script(
            "return performance.getEntriesByType('resource').map(e => new URL(e.name).origin)"
        )
        assert set(fetched) == {page.address.rstrip("/")}
    world.accounts.delete("new_bot")


def test_without_scripts_the_page_is_the_same(shown: tuple[World, Browser]) -> None:
    _, page = shown
    with chromium(scripts=False) as driver:
        driver.get(f"{page.address}credentials?account=grid_*")
        driver.find_element(By.ID, "token").send_keys("wrong", Keys.ENTER)
        seen(driver, "[role=alert]", "That is not the token")
        driver.find_element(By.ID, "token").send_keys(page.token, Keys.ENTER)
        assert driver.current_url.endswith("/credentials?account=grid_*")
        assert len(driver.find_elements(By.CSS_SELECTOR, "tbody tr")) == 4
        field = driver.find_element(By.NAME, "text")
        field.send_keys("backpack", Keys.ENTER)
        assert len(driver.find_elements(By.CSS_SELECTOR, "tbody tr")) == 2
        driver.find_element(By.LINK_TEXT, "grid_btc").click()
        assert "created account grid_btc" in driver.find_element(By.CLASS_NAME, "history").text
        driver.find_element(By.CSS_SELECTOR, ".out button").click()
        driver.get(page.address)
        assert driver.find_elements(By.ID, "token")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
def test_every_page_fits_its_screen_and_its_texts_stand_out(
    shown: tuple[World, Browser], width: int, dark: bool
) -> None:
    _, page = shown
    with chromium(width, 740, dark=dark) as driver:
        sign_in(driver, page)
        for path in PATHS:
            driver.get(page.address.rstrip("/") + path)
            assert driver.execute_script("return document.documentElement.scrollWidth") == width
            assert driver.execute_script(_CONTRASTS) == {}, path
            unnamed = driver.execute_script(
                "return [...document.querySelectorAll('input, select, button, a, svg[role=img]')]"
                ".filter(e => !(e.labels?.length || e.textContent.trim() || e.ariaLabel"
                " || e.type === 'hidden')).map(e => e.outerHTML)"
            )
            assert unnamed == []
        assert complaints(driver) == []


def test_the_keyboard_reaches_an_account(shown: tuple[World, Browser]) -> None:
    _, page = shown
    with chromium() as driver:
        sign_in(driver, page)

        def press(key: str) -> Any:
            driver.switch_to.active_element.send_keys(key)
            return driver.switch_to.active_element

        assert press(Keys.TAB).text == "Skip to the content"
        reached = (press(Keys.TAB) for _ in range(40))
        account = next(one for one in reached if one.text == "funding_arb")
        assert account.value_of_css_property("outline-style") != "none"
        press(Keys.ENTER)
        seen(driver, "h1", "funding_arb")


def test_hostile_texts_do_nothing_in_a_browser(world: World) -> None:
    plant_hostile_texts(world)
    with Registry.open(world.database.target.url) as registry, page_of(registry) as page:
        with chromium() as driver:
            sign_in(driver, page)
            for path in PATHS[:-1]:
                driver.get(page.address.rstrip("/") + path)
                scripts = driver.find_elements(By.TAG_NAME, "script")
                assert [one.get_attribute("src") for one in scripts] == [
                    f"{page.address}static/page.js"
                ]
            driver.get(page.address)
            driver.find_element(By.CSS_SELECTOR, "tbody a").click()
            seen(driver, "h1", "<script>alert(1)</script>\\u202eevil")
            assert complaints(driver) == []


def test_a_database_that_goes_away_and_comes_back_is_seen(
    world: World, database_url: str, connection: psycopg.Connection[Any]
) -> None:
    world.account("bot")
    proxy = Proxy(database_url)
    with Registry.open(proxy.address) as registry, page_of(registry) as page:
        with chromium() as driver:
            sign_in(driver, page)
            seen(driver, "tbody", "bot")
            proxy.refusals = 100_000
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            seen(driver, "#liveness", "annot reach the database")
            assert "bot" in driver.find_element(By.TAG_NAME, "tbody").text
            proxy.refusals = 0
            seen(driver, "#liveness", "live")
    proxy.close()
