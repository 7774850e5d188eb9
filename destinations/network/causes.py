"""The error of the network beneath that of a library, which wraps it several times over."""

import ssl
from collections.abc import Iterator
from http.client import IncompleteRead

# X509_V_ERR_HOSTNAME_MISMATCH
HOSTNAME_MISMATCH = 62


def network_cause(error: BaseException) -> Exception | None:
    """Return the error in the causes of `error` that says most: that of a certificate before any other of the network.

    None when the network is not the cause.
    """
    causes = list(_causes(error))
    # urllib3 compares the name itself where the certificate has no name that OpenSSL compares
    if any(type(cause).__name__ == "CertificateError" for cause in causes):
        mismatch = ssl.SSLCertVerificationError("host name mismatch")
        mismatch.verify_code = HOSTNAME_MISMATCH
        return mismatch
    found = [cause for cause in causes if isinstance(cause, OSError | EOFError)]
    certificates = [cause for cause in found if isinstance(cause, ssl.SSLCertVerificationError)]
    # those of urllib3 and requests are subclasses of OSError too, without a number
    numbered = [cause for cause in found if isinstance(cause, OSError) and isinstance(cause.errno, int)]
    named = [cause for cause in found if isinstance(cause, TimeoutError | ConnectionError)]
    cut = [EOFError() for cause in causes if isinstance(cause, IncompleteRead)]
    return next(iter([*certificates, *numbered, *named, *cut, *found]), None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = [error], set[int]()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        # urllib3 has `reason`, botocore `kwargs`, Azure `inner_exception`, requests and http.client the error among
        # their arguments
        named = [getattr(current, name, None) for name in ("reason", "inner_exception")]
        known = [current.__cause__, current.__context__, *named, *current.args]
        known.extend(getattr(current, "kwargs", {}).values())
        waiting.extend(cause for cause in known if isinstance(cause, BaseException))
