"""proftpd, which lets an upload go on where it was cut (REST, then STOR)."""

from tests.support.programs import missing
from tests.support.servers.ftp.server import ADDRESS_OF_PASV, FtpServer
from tests.support.servers.running.accounts import ACCOUNTS, PASSWORD_HASH
from tests.support.servers.running.cache import cache

CONFIGURATION = """\
ServerType standalone
ServerName tests
DefaultAddress {host}
Port {port}
UseIPv6 off
UseReverseDNS off
WtmpLog off
TransferLog none
PidFile {folder}/pid
ScoreboardFile {folder}/scoreboard
DelayEngine off
MaxInstances 60
User root
Group root
ModulePath {modules}
AuthOrder mod_auth_file.c
AuthUserFile {folder}/users
AuthGroupFile {folder}/etc/group
RequireValidShell off
DefaultRoot ~
Umask 077
AllowOverwrite on
AllowStoreRestart on
MasqueradeAddress {pasv_address}
PassivePorts {first} {last}
<Limit DELE RMD>
  DenyUser append-only
</Limit>
<Limit WRITE>
  DenyUser read-only
</Limit>
<Limit LIST NLST MLSD>
  DenyUser unlisted
</Limit>
"""
# its default is that data connections reuse the session of the control connection
TLS = """\
LoadModule mod_tls.c
TLSEngine on
TLSLog {folder}/tls.log
TLSRequired on
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile {certificate}
TLSECCertificateKeyFile {key}
"""


class Proftpd(FtpServer):
    def argv(self) -> list[str]:
        package = cache("proftpd")
        program = package / "usr" / "sbin" / "proftpd"
        if not program.exists():
            missing(f"{program} is not there; .ci/run extracts the package proftpd-core to it")
        users = self.folder / "users"
        users.touch(mode=0o600)
        lines = [f"{name}:{PASSWORD_HASH}:{uid}:{uid}::{self.home(name)}:/bin/sh" for name, uid in ACCOUNTS.items()]
        users.write_text("\n".join(lines) + "\n")
        configuration = CONFIGURATION.format(
            host=self.host, port=self.port, folder=self.folder, pasv_address=ADDRESS_OF_PASV,
            first=self.passive_ports[0], last=self.passive_ports[-1], modules=package / "usr" / "lib" / "proftpd",
        )  # fmt: skip
        if self.mode != "plain":
            files = {"certificate": self.certificate.certificate, "key": self.certificate.key}
            configuration += TLS.format(folder=self.folder, **files)
        if self.mode == "implicit":
            configuration += "TLSOptions UseImplicitSSL\n"
        file = self.folder / "proftpd.conf"
        file.write_text(configuration)
        return self.in_own_namespace(str(program), "--nodaemon", "--config", str(file))
