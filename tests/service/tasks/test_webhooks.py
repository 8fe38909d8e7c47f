"""Webhooks: signed, sent again until they are heard, and sent nowhere else."""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice.db import Place
from pumice.domain.errors import BadSetting, MalformedInput, Unsupported
from pumice.gateway.http.seed import told_json
from pumice.service.tasks import TaskOptions, Tasks, TaskWish
from pumice.service.tasks.delivery import FIRST_PAUSE_S, LONGEST_PAUSE_S, pause
from pumice.service.tasks.webhooks import Hosts, Signer, home_secret
from tests.service.tasks.fakes import Doubler, Gate, HandClock, ask
from tests.support.certificates import Certificate, certificate

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


class Receiver:
    """Keeps what it hears; answers with these statuses, then with 200. With a certificate it speaks https."""

    def __init__(self, *statuses: int, shown: Certificate | None = None) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self._statuses = list(statuses)
        self._changed = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = receiver._statuses.pop(0) if receiver._statuses else 200
                self.send_response(status)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()
                with receiver._changed:
                    receiver.heard.append((dict(self.headers.items()), body))
                    receiver._changed.notify_all()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 its name is given
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        if shown is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(shown.cert, shown.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self.url = self.url.replace("http", "https").replace("127.0.0.1", "localhost")

    @contextmanager
    def listening(self) -> Iterator["Receiver"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    async def until(self, count: int) -> None:
        def wait() -> None:
            with self._changed:
                self._changed.wait_for(lambda: len(self.heard) >= count)

        await asyncio.to_thread(wait)


def tasks_with_webhooks(place: Place, clock: HandClock, hosts: str = "127.0.0.1") -> Tasks:
    options = TaskOptions(database=place.url, webhook_hosts=hosts, webhook_secret=SECRET)
    return Tasks(Doubler(), place.home, options, clock, told_json)


async def turn_until(clock: HandClock, condition: Callable[[], bool]) -> None:
    """Let time pass until a condition holds."""
    while not condition():
        clock.turn(1)
        await asyncio.sleep(0.01)


def test_the_end_of_a_task_is_told_with_a_signature_that_holds(place: Place) -> None:
    async def main(receiver: Receiver) -> str:
        tasks = tasks_with_webhooks(place, HandClock())
        task_id = await tasks.submit("double", "", ask(2), TaskWish(webhook=receiver.url))
        await receiver.until(1)
        await tasks.stop()
        return task_id

    with Receiver().listening() as receiver:
        task_id = asyncio.run(main(receiver))
    headers, body = receiver.heard[0]
    told = json.loads(body)
    assert told["type"] == "task.completed"
    assert told["data"]["task_id"] == task_id
    assert told["data"]["result"][0]["data"] == [4.0] * 4
    assert headers["webhook-id"] == f"msg_{task_id}"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"
    assert headers["host"] == receiver.url.split("/")[2]


def test_it_is_told_again_until_it_is_heard(place: Place) -> None:
    async def main(receiver: Receiver) -> None:
        clock = HandClock()
        tasks = tasks_with_webhooks(place, clock)
        await tasks.submit("double", "", ask(2), TaskWish(webhook=receiver.url))
        await turn_until(clock, lambda: len(receiver.heard) == 4)
        clock.turn(10_000)
        await tasks.stop()

    # a redirect is no answer either, and is not followed
    with Receiver(500, 302, 429).listening() as receiver:
        asyncio.run(main(receiver))
    assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == 1
    assert len({body for _, body in receiver.heard}) == 1


def test_a_private_authority_is_trusted_if_it_is_named_and_no_other_then(tmp_path: Path) -> None:
    private, other = certificate(tmp_path, "private-ca"), certificate(tmp_path, "other-ca")
    good, bad = (Receiver(shown=certificate(tmp_path, f"of-{ca.cert.stem}", ca)) for ca in (private, other))

    async def main(ca: str, *results: str) -> None:
        runner = Doubler()
        options = TaskOptions(webhook_hosts="localhost", webhook_secret=SECRET, webhook_ca=ca)
        clock = HandClock()
        tasks = Tasks(runner, tmp_path / f"home{bool(ca)}", options, clock, told_json)
        for receiver in (good, bad):
            await tasks.submit("double", "", ask(2), TaskWish(webhook=receiver.url))
        await turn_until(clock, lambda: [told for told in ("delivered", "again") if runner.counted[told]] == [*results])
        await tasks.stop()

    with good.listening(), bad.listening():
        asyncio.run(main("", "again"))
        assert not good.heard, "a private authority is not trusted by itself"
        asyncio.run(main(str(private.cert), "delivered", "again"))
    assert len(good.heard) == 1
    assert not bad.heard


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_authorities_that_cannot_be_read_are_told_at_the_start(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content, encoding="ascii")
    with pytest.raises(BadSetting, match="webhook_ca"):
        Tasks(Doubler(), tmp_path, TaskOptions(webhook_hosts="*", webhook_ca=str(file)), None, told_json)


def test_a_receiver_that_is_gone_for_good_is_told_once(tmp_path: Path) -> None:
    async def main(receiver: Receiver) -> None:
        clock = HandClock()
        tasks = tasks_with_webhooks(Place(tmp_path), clock)
        await tasks.submit("double", "", ask(2), TaskWish(webhook=receiver.url))
        await receiver.until(1)
        await tasks.submit("double", "", ask(3), TaskWish(webhook=receiver.url))
        await turn_until(clock, lambda: len(receiver.heard) == 2)
        await tasks.stop()

    with Receiver(410).listening() as receiver:
        asyncio.run(main(receiver))
    assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == 2


def test_what_was_not_heard_is_told_after_a_restart(place: Place) -> None:
    async def main() -> None:
        clock, receiver = HandClock(), Receiver()
        first = tasks_with_webhooks(place, clock)  # its receiver accepts, but nobody reads there
        task_id = await first.submit("double", "", ask(2), TaskWish(webhook=receiver.url))
        assert (await first.wait(task_id, 10)).status == "completed"
        await first.stop()
        with receiver.listening():
            second = tasks_with_webhooks(place, clock)
            await second.start()
            await turn_until(clock, lambda: bool(receiver.heard))
            await second.stop()

    asyncio.run(main())


def test_a_cancelled_task_is_told_too(tmp_path: Path) -> None:
    async def main(receiver: Receiver) -> None:
        runner = Doubler(hook=Gate())
        options = TaskOptions(webhook_hosts="127.0.0.1")
        tasks = Tasks(runner, tmp_path, options, HandClock(), told_json)
        task_id = await tasks.submit("double", "", ask(2), TaskWish(webhook=receiver.url))
        await tasks.cancel(task_id)
        await receiver.until(1)
        await tasks.stop()

    with Receiver().listening() as receiver:
        asyncio.run(main(receiver))
    assert json.loads(receiver.heard[0][1])["data"]["code"] == "cancelled"


def test_nothing_is_sent_to_a_private_address_that_was_not_named(tmp_path: Path) -> None:
    async def main(receiver: Receiver) -> None:
        tasks = tasks_with_webhooks(Place(tmp_path), HandClock(), hosts="*")
        done = await tasks.submit("double", "", ask(2), TaskWish(webhook=receiver.url))
        assert (await tasks.wait(done, 10)).status == "completed"
        assert tasks._delivery is not None
        await asyncio.wait([tasks._delivery], timeout=1.5)
        await tasks.stop()

    with Receiver().listening() as receiver:
        asyncio.run(main(receiver))
    assert receiver.heard == []


@pytest.mark.parametrize(
    ("address", "admitted"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        *((private, False) for private in ("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254")),
        *((odd, False) for odd in ("0.0.0.0", "::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "100.64.0.1")),  # noqa: S104
        *((many, False) for many in ("224.0.0.1", "ff0e::1")),
    ],
)
def test_which_addresses_are_public(address: str, admitted: bool) -> None:
    assert Hosts.of("*").target("http://example.com/").admits(address) is admitted
    assert Hosts.of("example.com").target("http://example.com/").admits(address)


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://a.example.com/", "http:///x", "http://user:pw@a.example.com/", "http://example.com:99999/"),
        *("http://example.com.evil.net/", "http://evilexample.com/", "gopher://a.example.com", "//a.example.com/"),
        *("http://a.example.com/ x", "http://a.example.com/\r\nx: y", "http://a.example.com/" + "x" * 3000),
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    hosts = Hosts.of("*.example.com")
    assert hosts.target("https://a.example.com/hook").port == 443
    with pytest.raises(MalformedInput):
        hosts.target(url)


def test_without_hosts_there_are_no_webhooks() -> None:
    with pytest.raises(Unsupported, match="webhook_hosts"):
        Hosts.of("").target("https://example.com/")


@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_and_stay_within_their_bounds(tries: int, chance: float) -> None:
    assert FIRST_PAUSE_S / 2 <= pause(tries, chance) <= LONGEST_PAUSE_S
    assert pause(tries, chance) <= pause(tries + 1, chance)


def test_while_a_secret_changes_both_sign() -> None:
    other = "whsec_" + base64.b64encode(bytes(32)).decode()
    both = Signer(f"{SECRET}, {other}").headers("msg", 1.9, b"body")["webhook-signature"].split()
    assert both == [Signer(one).headers("msg", 1.2, b"body")["webhook-signature"] for one in (SECRET, other)]


@pytest.mark.parametrize("secret", ["whsec_", "whsec_%%%", "whsec_" + base64.b64encode(b"short").decode()])
def test_a_secret_that_is_none_is_refused_and_not_told(tmp_path: Path, secret: str) -> None:
    with pytest.raises(BadSetting, match="webhook_secret") as caught:
        Tasks(Doubler(), tmp_path, TaskOptions(webhook_hosts="*", webhook_secret=secret), None, told_json)
    assert "c2hvcnQ" not in caught.value.message


def test_servers_of_one_database_need_one_secret(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="the same secret"):
        Tasks(Doubler(), tmp_path, TaskOptions(database="postgresql://x/y", webhook_hosts="*"), None, told_json)


def test_the_homes_own_secret_is_made_once_and_for_its_user_alone(tmp_path: Path) -> None:
    secret = home_secret(tmp_path / "home")
    assert home_secret(tmp_path / "home") == secret
    Signer(secret)
    files = list((tmp_path / "home").iterdir())
    assert [file.name for file in files] == ["webhook.secret"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
