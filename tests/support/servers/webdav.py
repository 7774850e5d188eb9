"""A WebDAV server: wsgidav on cheroot."""

import sys

from tests.support.servers.certificates import Certificate, Certificates
from tests.support.servers.running.accounts import PASSWORD, ServerWithAccounts


class Webdav(ServerWithAccounts):
    """Accounts log in with basic authentication; the folder of each is at "/NAME/", and only it may see that.

    Without a certificate it is plain HTTP; with `digest` it takes no other authentication than that.
    """

    def __init__(
        self, certificates: Certificates, certificate: Certificate | None = None, *, digest: bool = False
    ) -> None:
        super().__init__()
        self.digest = digest
        self.certificates, self.certificate = certificates, certificate

    def argv(self) -> list[str]:
        program = "tests.support.servers.webdav_program"
        argv = [sys.executable, "-m", program, self.host, str(self.port), str(self.folder / "home"), PASSWORD]
        argv.append("digest" if self.digest else "basic")
        if self.certificate is not None:
            argv += [str(self.certificate.certificate), str(self.certificate.key)]
        return self.in_own_namespace(*argv)

    def url(self, account: str, port: int | None = None) -> str:
        """Return the address of an account's folder, at the port of a proxy where one is given."""
        scheme = "http" if self.certificate is None else "https"
        return f"{scheme}://{self.host}:{port or self.port}/{account}/"

    def use(self, certificate: Certificate) -> None:
        """Restart with another certificate."""
        self.certificate = certificate
        self.restart()
