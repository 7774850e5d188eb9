"""The servers of SFTP and FTP do what tests of remote destinations need of them."""

import asyncio
import ftplib
import io
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import TypeVar

import asyncssh
import pytest

from tests.support.servers.certificates import Certificate, Certificates
from tests.support.servers.ftp.server import FtpServer
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.accounts import APPEND_ONLY, FULL, READ_ONLY, SMALL, UNLISTED
from tests.support.servers.running.server import Server
from tests.support.servers.sshd import KEY_TYPES, Sshd, make_key

T = TypeVar("T")
DATA = bytes(range(256)) * 400
FTP_SERVERS = ["vsftpd", "vsftpd_implicit", "vsftpd_plain", "proftpd"]


def sftp(
    server: Sshd, account: str, use: Callable[[asyncssh.SFTPClient], Awaitable[T]], *, port: int = 0, **login: object
) -> T:
    async def run() -> T:
        known = asyncssh.import_known_hosts(server.known_hosts(port or server.port))
        options = {"client_keys": None, "agent_path": None, "config": None, "known_hosts": known} | login
        connection = asyncssh.connect(server.host, port or server.port, username=account, **options)  # type: ignore[arg-type]
        async with connection as connected, connected.start_sftp_client() as client:
            return await use(client)

    return asyncio.run(asyncio.wait_for(run(), 20))


async def written(client: asyncssh.SFTPClient, name: str, data: bytes = DATA) -> bytes:
    async with client.open(name, "wb") as file:
        await file.write(data)
    async with client.open(name, "rb") as file:
        return bytes(await file.read())


def test_sftp_logs_in_with_a_password_and_with_a_key(sshd: Sshd, apart: str) -> None:
    assert sftp(sshd, FULL, lambda client: written(client, apart), password=sshd.password) == DATA
    assert sftp(sshd, FULL, lambda client: client.getsize(apart), client_keys=[str(sshd.key)]) == len(DATA)
    assert (sshd.home(FULL) / apart).read_bytes() == DATA
    with pytest.raises(asyncssh.PermissionDenied):
        sftp(sshd, FULL, lambda client: client.getcwd(), password="wrong")


@pytest.mark.parametrize(
    ("account", "refused"), [(APPEND_ONLY, "remove"), (READ_ONLY, "write"), (UNLISTED, "list"), (SMALL, "fill")]
)
def test_an_account_of_sftp_lacks_one_right(sshd: Sshd, apart: str, account: str, refused: str) -> None:
    async def refusals(client: asyncssh.SFTPClient) -> list[str]:
        steps: dict[str, Callable[[], Awaitable[object]]] = {
            "write": lambda: written(client, apart),
            "list": lambda: client.listdir("."),
            "fill": lambda: written(client, apart, bytes(9 << 20)),
            "remove": lambda: client.remove(apart),
        }
        failed = []
        for name, step in steps.items():
            if name == "fill" and account != SMALL:
                continue
            try:
                await step()
            except asyncssh.SFTPError:
                failed.append(name)
        return failed

    failed = sftp(sshd, account, refusals, password=sshd.password)
    assert failed == (["write", "remove"] if account == READ_ONLY else [refused])


def test_host_keys_are_of_each_type_and_can_be_replaced(sshd: Sshd) -> None:
    known, before = sshd.known_hosts(), [sshd.public_host_key(kind) for kind in KEY_TYPES]
    sshd.offer("rsa")
    try:
        assert sshd.known_hosts().count("ssh-rsa") == len(sshd.known_hosts().splitlines()) == 1
        sshd.replace_host_keys()
        assert sftp(sshd, FULL, lambda client: client.getcwd(), password=sshd.password)
        assert not set(before) & {sshd.public_host_key(kind) for kind in KEY_TYPES}
        with pytest.raises(asyncssh.HostKeyNotVerifiable):
            pinned = asyncssh.import_known_hosts(known)
            sftp(sshd, FULL, lambda client: client.getcwd(), password=sshd.password, known_hosts=pinned)
    finally:
        sshd.offer(*KEY_TYPES)


def test_a_restart_ends_the_sessions_of_sftp(sshd: Sshd) -> None:
    async def interrupted(client: asyncssh.SFTPClient) -> str:
        await asyncio.to_thread(sshd.restart)
        with pytest.raises((asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)):
            await client.listdir(".")
        return "lost"

    assert sftp(sshd, FULL, interrupted, password=sshd.password) == "lost"
    assert sftp(sshd, FULL, lambda client: client.listdir("."), password=sshd.password) is not None


def test_keys_with_a_passphrase_log_in(sshd: Sshd, apart: str) -> None:
    key = sshd.folder / apart
    make_key(key, "ecdsa", passphrase="of the key")
    with sshd.authorized_keys.open("a") as file:
        file.write(key.with_suffix(".pub").read_text())
    login = {"client_keys": [str(key)], "passphrase": "of the key"}
    assert sftp(sshd, FULL, lambda client: client.getcwd(), **login)


def test_a_cut_upload_of_sftp_leaves_what_had_arrived(
    sshd: Sshd, apart: str, proxied: Callable[[Server], Proxy]
) -> None:
    proxy = proxied(sshd)
    proxy.cut(up=100_000)
    with pytest.raises((asyncssh.Error, OSError)):
        big = DATA * 20
        sftp(sshd, FULL, lambda client: written(client, apart, big), port=proxy.port, password=sshd.password)
    assert proxy.connections == 1
    assert (sshd.home(FULL) / apart).stat().st_size < 100_000


class Client(ftplib.FTP_TLS):
    """FTP with EPSV, and with data connections that reuse the TLS session."""

    def __init__(self, server: FtpServer, port: int, account: str, *, reuse: bool = True) -> None:
        context = ssl.create_default_context(cafile=str(server.certificates.ca_file))
        super().__init__(context=context, timeout=10)
        self.mode, self.reuse = server.mode, reuse
        try:
            self.connect(Proxy.host, port)
            self.login(account, server.password, secure=server.mode == "explicit")
            if server.mode != "plain":
                self.prot_p()
        except BaseException:
            self.close()
            raise

    def getresp(self) -> str:
        # the first thing that is read after the connection was made
        if self.mode == "implicit" and not isinstance(self.sock, ssl.SSLSocket):
            self.file.close()
            self.sock = self.context.wrap_socket(self.sock, server_hostname=self.host)
            self.file = self.sock.makefile("r", encoding=self.encoding)
        return super().getresp()

    def makepasv(self) -> tuple[str, int]:
        return self.host, ftplib.parse229(self.sendcmd("EPSV"), self.sock.getpeername())[1]

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        if self.mode == "plain":
            return ftplib.FTP.ntransfercmd(self, cmd, rest)
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        session = self.sock.session if self.reuse else None
        return self.context.wrap_socket(connection, server_hostname=self.host, session=session), size


@pytest.fixture
def ftp_server(request: pytest.FixtureRequest) -> FtpServer:
    server = request.getfixturevalue(request.param)
    assert isinstance(server, FtpServer)
    return server


@pytest.mark.parametrize("ftp_server", FTP_SERVERS, indirect=True)
def test_ftp_goes_through_proxies_of_control_and_data(ftp_server: FtpServer, apart: str) -> None:
    with ftp_server.control_proxy() as control, ftp_server.data_proxy() as data:
        with Client(ftp_server, control.port, FULL) as client:
            client.storbinary(f"STOR ü {apart}", io.BytesIO(DATA))
            assert f"ü {apart}" in client.nlst()
            client.voidcmd("TYPE I")
            assert client.size(f"ü {apart}") == len(DATA)
        assert (control.connections, data.connections) == (1, 2)
        assert data.bytes["up"] >= len(DATA)
    stored = ftp_server.home(FULL) / f"ü {apart}"
    assert (stored.read_bytes(), stored.stat().st_mode & 0o777) == (DATA, 0o600)


@pytest.mark.parametrize("ftp_server", ["vsftpd", "proftpd"], indirect=True)
def test_ftp_requires_that_the_session_is_reused(ftp_server: FtpServer, apart: str) -> None:
    with (
        ftp_server.control_proxy() as control,
        ftp_server.data_proxy(),
        Client(ftp_server, control.port, FULL, reuse=False) as client,
    ):
        with pytest.raises((*ftplib.all_errors, ssl.SSLError)):
            client.storbinary(f"STOR {apart}", io.BytesIO(DATA))
        client.close()


@pytest.mark.parametrize("ftp_server", ["vsftpd", "proftpd"], indirect=True)
@pytest.mark.parametrize("account", [APPEND_ONLY, READ_ONLY, SMALL])
def test_an_account_of_ftp_lacks_one_right(ftp_server: FtpServer, apart: str, account: str) -> None:
    with (
        ftp_server.control_proxy() as control,
        ftp_server.data_proxy(),
        Client(ftp_server, control.port, account) as client,
    ):
        if account == READ_ONLY:
            with pytest.raises(ftplib.error_perm):
                client.storbinary(f"STOR {apart}", io.BytesIO(DATA))
            return
        client.storbinary(f"STOR {apart}", io.BytesIO(DATA))
        if account == APPEND_ONLY:
            with pytest.raises(ftplib.error_perm):
                client.delete(apart)
            return
        with pytest.raises((ftplib.error_temp, OSError)):
            client.storbinary(f"STOR {apart}", io.BytesIO(bytes(9 << 20)))
        client.close()


@pytest.mark.parametrize("ftp_server", ["vsftpd", "proftpd"], indirect=True)
def test_a_data_connection_is_cut_while_the_control_connection_goes_on(ftp_server: FtpServer, apart: str) -> None:
    with ftp_server.control_proxy() as control, ftp_server.data_proxy() as data:
        data.cut(up=60_000)
        client = Client(ftp_server, control.port, FULL)
        with closing(client), pytest.raises((*ftplib.all_errors, ssl.SSLError)):
            client.storbinary(f"STOR {apart}", io.BytesIO(DATA * 20))
        assert (ftp_server.home(FULL) / apart).stat().st_size < 60_000


def test_an_upload_to_proftpd_is_resumed(proftpd: FtpServer, apart: str) -> None:
    with (
        proftpd.control_proxy() as control,
        proftpd.data_proxy(),
        Client(proftpd, control.port, FULL) as client,
    ):
        client.storbinary(f"STOR {apart}", io.BytesIO(DATA[:5000]))
        client.storbinary(f"STOR {apart}", io.BytesIO(DATA[4000:]), rest=4000)
    assert (proftpd.home(FULL) / apart).read_bytes() == DATA


@pytest.mark.parametrize("kind", ["expired", "wrong_name", "unknown_ca"])
def test_a_wrong_certificate_is_refused_by_the_client(vsftpd: FtpServer, certificates: Certificates, kind: str) -> None:
    wrong: Certificate = getattr(certificates, kind)
    vsftpd.use(wrong)
    try:
        with vsftpd.control_proxy() as control, pytest.raises(ssl.SSLCertVerificationError):
            Client(vsftpd, control.port, FULL)
    finally:
        vsftpd.use(certificates.valid)
