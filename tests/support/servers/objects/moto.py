"""moto as S3, with users whose names say what they may do."""

import json
import ssl
import sys
import urllib.request
import warnings
from dataclasses import dataclass
from typing import Any

from tests.support.servers.certificates import Certificate, Certificates
from tests.support.servers.running.accounts import APPEND_ONLY, FULL, READ_ONLY, UNLISTED
from tests.support.servers.running.server import Server

REGION = "eu-central-1"
DELETES = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
WRITES = ["s3:PutObject", "s3:CreateBucket", *DELETES]
LISTS = ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListAllMyBuckets"]
DENIED: dict[str, list[str]] = {FULL: [], APPEND_ONLY: DELETES, READ_ONLY: WRITES, UNLISTED: LISTS}


@dataclass(frozen=True)
class AccessKey:
    id: str
    secret: str


class Moto(Server):
    """S3, with TLS where a certificate is given; buckets may be versioned and have object lock.

    Signatures and rights are checked, a wrong checksum of a body is not.
    Everything is in memory: `restart` forgets buckets and users, `access_keys` are new ones then.
    """

    def __init__(self, certificates: Certificates, certificate: Certificate | None = None) -> None:
        super().__init__()
        self.certificates, self.certificate = certificates, certificate
        self.access_keys: dict[str, AccessKey] = {}
        # not at the top: every process of pytest imports this module
        from boto3.session import Session

        self._session = Session()

    @property
    def url(self) -> str:
        return self.url_at(self.port)

    def url_at(self, port: int) -> str:
        """Return the endpoint at the port of a proxy."""
        return f"{'http' if self.certificate is None else 'https'}://{self.host}:{port}"

    def argv(self) -> list[str]:
        argv = [sys.executable, "-m", "moto.server", "-H", self.host, "-p", str(self.port)]
        if self.certificate is not None:
            argv += ["-c", str(self.certificate.certificate), "-k", str(self.certificate.key)]
        return argv

    def use(self, certificate: Certificate) -> None:
        """Restart with another certificate."""
        self.certificate = certificate
        self.restart()

    def start(self) -> None:
        super().start()
        with warnings.catch_warnings():
            # its certificate may be a wrong one
            warnings.simplefilter("ignore")
            self._make_users()
        # from here on every request has to be signed by one of these users, and allowed
        tls = None if self.certificate is None else ssl._create_unverified_context()  # noqa: S323
        url, headers = f"{self.url}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        request = urllib.request.Request(url, data=b"0", headers=headers, method="POST")  # noqa: S310
        urllib.request.urlopen(request, timeout=20, context=tls).close()  # noqa: S310

    def _make_users(self) -> None:
        iam = self._client("iam", AccessKey("any", "any"), verify=False)
        for name, denied in DENIED.items():
            iam.create_user(UserName=name)
            statements = [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]
            statements += [{"Effect": "Deny", "Action": denied, "Resource": "*"}] if denied else []
            policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
            iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy)
            made = iam.create_access_key(UserName=name)["AccessKey"]
            self.access_keys[name] = AccessKey(made["AccessKeyId"], made["SecretAccessKey"])
        iam.close()

    def client(self, account: str = FULL, *, port: int = 0, **options: Any) -> Any:
        """Return a client of boto3, at the port of a proxy where one is given."""
        return self.client_with(self.access_keys[account], port=port, **options)

    def client_with(self, key: AccessKey, *, port: int = 0, **options: Any) -> Any:
        return self._client("s3", key, port=port, **{"verify": str(self.certificates.ca_file)} | options)

    def _client(self, service: str, key: AccessKey, *, port: int = 0, **options: Any) -> Any:
        from botocore.config import Config

        return self._session.client(
            service, region_name=REGION, endpoint_url=self.url_at(port or self.port), aws_access_key_id=key.id,
            aws_secret_access_key=key.secret, config=Config(retries={"total_max_attempts": 1}), **options,
        )  # fmt: skip
