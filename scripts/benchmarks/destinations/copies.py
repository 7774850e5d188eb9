"""One backup to several destinations, each behind a slow line: they are sent side by side."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping

from benchmarks.bench import MEGABYTE, Bench, say
from benchmarks.destinations.servers import missing, running
from benchmarks.measure import BenchmarkError, Sample
from benchmarks.report import Target, table
from benchmarks.site import INSTANCE, Site

TITLE = "Several copies at once"
LIMIT = 1.2
LINE_BYTES = 20 * MEGABYTE
MEGABYTES, QUICK_MEGABYTES = 60, 6
INSTANCES_FILE = """\
[{name}]
kind = "generic"
root = {root}

[{name}.components.files]
kind = "files"
path = "files"
"""
# prints the options of the three destinations, each behind a line of its own
PROGRAM = """
import json, sys
from contextlib import ExitStack
from pathlib import Path
from tests.destinations.backends.s3.buckets import s3_options
from tests.destinations.contract import sftp_place, webdav_place
from tests.support.servers.certificates import Certificates
from tests.support.servers.objects.moto import Moto
from tests.support.servers.proxy import Proxy
from tests.support.servers.sshd import Sshd
from tests.support.servers.webdav import Webdav
certificates = Certificates(Path(sys.argv[1]))
with ExitStack() as stack:
    def line(server):
        proxy = stack.enter_context(Proxy(server.port, server.host))
        proxy.rate(RATE)
        return proxy.port
    sshd, moto = stack.enter_context(Sshd()), stack.enter_context(Moto(certificates))
    webdav = stack.enter_context(Webdav(certificates, certificates.valid))
    options = {
        "sftp": sftp_place.account(sshd, port=line(sshd)) | {"base_path": "bench"},
        "webdav": webdav_place.account(webdav, port=line(webdav)) | {"base_path": "bench"},
        "s3": s3_options(moto, location="bench", endpoint_url=moto.url_at(line(moto))),
    }
    print(json.dumps(options), flush=True)
    sys.stdin.read()
""".replace("RATE", str(LINE_BYTES))


def run(bench: Bench) -> Iterator[str]:
    if reason := next(filter(None, map(missing, ("sftp", "webdav", "s3"))), ""):
        yield f"It is left out: {reason}."
        return
    megabytes = MEGABYTES if bench.rounds > 1 else QUICK_MEGABYTES
    rounds = bench.rounds
    folder = bench.scratch("copies")
    root = folder / "instance"
    (root / "files").mkdir(parents=True)
    with (root / "files" / "random").open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(MEGABYTE))
    site = Site.create(folder / "site", root)
    (site.home / "instances.toml").write_text(INSTANCES_FILE.format(name=INSTANCE, root=json.dumps(str(root))))
    with running(PROGRAM, folder) as server:
        names = _add(site, json.loads(server.options))
        samples: dict[str, list[Sample]] = {}
        for number in range(rounds):
            say(f"copies, round {number + 1} of {rounds}")
            for name in names:
                samples.setdefault(name, []).append(_backup(site, name))
            samples.setdefault("all three", []).append(_backup(site, *names))
    wall = {name: min(sample.wall for sample in found) for name, found in samples.items()}
    yield (
        f"{megabytes} MB that nothing packs tighter, `backup --destination` with each behind a line of "
        f"{LINE_BYTES // MEGABYTE} MB/s, not read back; from the start of Python, the least of {rounds}."
    )
    yield table(("to", "wall s"), [[name, f"{seconds:.2f}"] for name, seconds in wall.items()])
    slowest = max(wall[name] for name in names)
    yield f"- {Target('three at once beside the slowest one alone', wall['all three'] / slowest, LIMIT, 'x')}"
    shutil.rmtree(folder)


def _add(site: Site, destinations: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Add the destinations and return their names."""
    for type, options in destinations.items():
        given = {**options, "read_back": False, "timeout": 120}
        words = [f"--option={option}={value}" for option, value in given.items()]
        site.command("adddestination", type, "--type", type, "--encryption", "allowed", *words)
    return list(destinations)


def _backup(site: Site, *names: str) -> Sample:
    """Back the instance up to the destinations. Raises BenchmarkError unless a copy is at each of them."""
    words = [word for name in names for word in ("--destination", name)]
    sample = site.command("backup", INSTANCE, *words, "--json")
    result = json.loads(sample.output)
    if result["status"] != "completed" or result["copies_state"] != "all":
        raise BenchmarkError(f"not all copies arrived: {sample.output}")
    return sample
