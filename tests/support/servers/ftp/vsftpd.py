"""vsftpd, which requires that data connections reuse the TLS session of the control connection."""

from pathlib import Path

from tests.support.programs import require
from tests.support.servers.ftp.server import ADDRESS_OF_PASV, FtpServer

CONFIGURATION = """\
listen=YES
listen_address={host}
listen_port={port}
background=NO
local_enable=YES
write_enable=YES
chroot_local_user=YES
allow_writeable_chroot=YES
local_umask=077
file_open_mode=0600
pam_service_name=vsftpd
secure_chroot_dir={folder}/empty
seccomp_sandbox=NO
pasv_address={pasv_address}
pasv_min_port={first}
pasv_max_port={last}
utf8_filesystem=YES
xferlog_enable=NO
delay_failed_login=0
user_config_dir={folder}/users
"""
TLS = """\
ssl_enable=YES
require_ssl_reuse=YES
force_local_logins_ssl=YES
force_local_data_ssl=YES
ssl_ciphers=HIGH
rsa_cert_file={certificate}
rsa_private_key_file={key}
implicit_ssl={implicit}
"""
# rights of an account are commands that are refused
USERS = {
    "append-only": "cmds_denied=DELE,RMD\n",
    "read-only": "write_enable=NO\n",
    "unlisted": "dirlist_enable=NO\n",
}
PAM = "auth required pam_unix.so nodelay\naccount required pam_unix.so\nsession required pam_permit.so\n"


class Vsftpd(FtpServer):
    def argv(self) -> list[str]:
        (self.folder / "empty").mkdir(exist_ok=True)
        (self.folder / "users").mkdir(exist_ok=True)
        for account, text in USERS.items():
            (self.folder / "users" / account).write_text(text)
        (self.folder / "etc" / "pam").write_text(PAM)
        configuration = CONFIGURATION.format(
            host=self.host, port=self.port, folder=self.folder, pasv_address=ADDRESS_OF_PASV,
            first=self.passive_ports[0], last=self.passive_ports[-1],
        )  # fmt: skip
        if self.mode != "plain":
            implicit = "YES" if self.mode == "implicit" else "NO"
            files = {"certificate": self.certificate.certificate, "key": self.certificate.key}
            configuration += TLS.format(implicit=implicit, **files)
        file = self.folder / "vsftpd.conf"
        file.write_text(configuration)
        return self.in_own_namespace(require("vsftpd"), str(file))

    def binds(self) -> dict[Path, str]:
        require("vsftpd")  # its package brings the file of PAM that is covered
        return super().binds() | {self.folder / "etc" / "pam": "/etc/pam.d/vsftpd"}
