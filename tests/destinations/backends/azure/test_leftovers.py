"""What a process that was killed left in a container, and names that were not asked for."""

import pytest
from azure.storage.blob import ContainerClient

from destinations.backends.azure import listings
from destinations.exceptions import DestinationUnavailable, NotFound
from tests.destinations.backends.azure.conftest import Open
from tests.destinations.backends.azure.test_uploads import DATA, PATH, fetched, name_in, upload
from tests.destinations.conftest import put
from tests.support.servers.hostile import Answer, Hostile
from tests.support.servers.objects.azurite import Azurite

PAGE = """<?xml version="1.0"?><EnumerationResults ServiceEndpoint="http://x/" ContainerName="c"><Blobs><Blob>
<Name>elsewhere/a.tar</Name><Properties><BlobType>BlockBlob</BlobType><Content-Length>5</Content-Length></Properties></Blob></Blobs><NextMarker/>
</EnumerationResults>"""


def test_the_file_by_which_blocks_were_dropped_is_in_no_upload_s_way(
    open_azure: Open, container: ContainerClient
) -> None:
    destination = open_azure()
    put(destination, "shop/manual/other.tar", b"x")
    container.upload_blob(name_in(destination), b"", metadata={listings.DISCARDED: "true"})
    for use in (destination.stat, destination.delete):
        with pytest.raises(NotFound):
            use(PATH)
    upload(destination)
    assert fetched(destination) == DATA


def test_a_store_that_heeds_no_prefix_is_an_error(open_azure: Open, azurite: Azurite) -> None:
    with Hostile(lambda asked: Answer(200, {"Content-Type": "application/xml"}, PAGE.encode())) as server:
        destination = open_azure(connection_string=azurite.connection_string(server.port))
        with pytest.raises(DestinationUnavailable, match="does not begin with"):
            list(destination.list())
