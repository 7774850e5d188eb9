from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sites.postgres_server import Postgres
from tests.support.sites.worker_site import Site, copy_of, make_home


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, migrated_database: Path) -> Path:
    """Return the home of a site that no test runs: it is made once, and copied."""
    home = tmp_path_factory.mktemp("template") / "home"
    make_home(home, migrated_database)
    return home


@pytest.fixture
def site(template: Path, tmp_path: Path) -> Iterator[Site]:
    """Return a site on SQLite."""
    with copy_of(template, tmp_path / "home") as site:
        yield site


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("postgres") / "home"
    make_home(home, DATABASE_URL=postgres.create("template_site"))
    return home


@pytest.fixture
def postgres_site(postgres: Postgres, postgres_template: Path, tmp_path: Path) -> Iterator[Site]:
    """Return a site on PostgreSQL."""
    url = postgres.create(f"site_{abs(hash(tmp_path))}", template="template_site")
    with copy_of(postgres_template, tmp_path / "home", DATABASE_URL=url) as site:
        yield site
