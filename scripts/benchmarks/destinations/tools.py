"""What a person would use in place of each type, as programs that are timed in the same way."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tool:
    """What the type is compared with: its name, and the program."""

    name: str
    prepare: str
    transfer: str


# the password goes by standard input
CURL = """
import subprocess
login = f'user = "{options["username"]}:{options["password"]}"'
def curl(*words):
    argv = ["curl", "--silent", "--show-error", "--fail", "--cacert", options["ca_file"], "--config", "-", *words]
    subprocess.run(argv, input=login.encode(), stdout=subprocess.DEVNULL, check=True)
"""
TOOLS: Mapping[str, Tool] = {
    "sftp": Tool(
        "OpenSSH's `sftp`",
        """
import atexit, subprocess, tempfile
control = os.path.join(tempfile.mkdtemp(), "control")
words = ["-o", "ControlPath=" + control, "-o", "UserKnownHostsFile=" + options["known_hosts_file"]]
login = ["-i", options["private_key"], "-o", "BatchMode=yes", options["username"] + "@" + options["host"]]
port = str(options["port"])
# logged in before the clock runs, as the other one is
subprocess.run(["ssh", "-M", "-fN", "-p", port, *words, *login], check=True, stderr=subprocess.DEVNULL)
atexit.register(subprocess.run, ["ssh", "-O", "exit", *words, *login], stderr=subprocess.DEVNULL)
""",
        """
moves = "put " + path + " bench/" + name if direction == "to" else "get bench/" + name + " " + path
batch = "-mkdir bench\\n-mkdir bench/tool\\n" + moves + "\\n"
argv = ["sftp", "-q", "-b", "-", "-P", port, *words, *login]
subprocess.run(argv, input=batch.encode(), check=True, capture_output=True)
""",
    ),
    "rclone": Tool(
        "`rclone copyto`",
        """
import subprocess
stored = options["remote"] + "/" + name
""",
        """
ends = (path, stored) if direction == "to" else (stored, path)
subprocess.run(["rclone", "--config", options["config_file"], "copyto", *ends], check=True)
""",
    ),
    "s3": Tool(
        "boto3's `upload_file`, `download_file`",
        """
import boto3
from botocore.config import Config
client = boto3.client(
    "s3", endpoint_url=options["endpoint_url"], region_name=options["region_name"],
    aws_access_key_id=options["access_key"], aws_secret_access_key=options["secret_key"],
    config=Config(s3={"addressing_style": "path"}),
)
client.head_bucket(Bucket=options["bucket_name"])
""",
        """
if direction == "to":
    client.upload_file(path, options["bucket_name"], "bench/" + name)
else:
    client.download_file(options["bucket_name"], "bench/" + name, path)
""",
    ),
    "azure": Tool(
        "the SDK's `upload_blob`, `download_blob`",
        """
from azure.storage.blob import ContainerClient
client = ContainerClient.from_connection_string(options["connection_string"], options["azure_container"])
client.exists()
""",
        """
if direction == "to":
    with open(path, "rb") as file:
        client.upload_blob("bench/" + name, file, max_concurrency=4)
else:
    with open(path, "wb") as file:
        client.download_blob("bench/" + name, max_concurrency=4).readinto(file)
""",
    ),
    "gcs": Tool(
        "google-cloud-storage",
        """
from google.api_core.client_options import ClientOptions
from google.cloud import storage
from google.oauth2 import service_account
account = service_account.Credentials.from_service_account_info(json.loads(options["credentials"]))
where = ClientOptions(api_endpoint=options["custom_endpoint"])
client = storage.Client(project="backups", credentials=account, client_options=where)
blob = client.bucket(options["bucket_name"]).blob("bench/" + name)
blob.exists()
""",
        """
blob.upload_from_filename(path) if direction == "to" else blob.download_to_filename(path)
""",
    ),
    "ftp": Tool(
        "curl",
        CURL,
        """
place = f"ftp://{options['host']}:{options['port']}/bench/{name}"
curl("--ssl-reqd", "--ftp-create-dirs", *(["--upload-file", path] if direction == "to" else ["--output", path]), place)
""",
    ),
    "webdav": Tool(
        "curl",
        CURL,
        """
place = f"{options['url']}{name.replace('/', '-')}"
curl(*(["--upload-file", path] if direction == "to" else ["--output", path]), place)
""",
    ),
    "dropbox": Tool(
        "the SDK's upload session",
        """
import dropbox
login = {option: options[option] for option in ("oauth2_refresh_token", "app_key", "app_secret")}
client = dropbox.Dropbox(**login, ca_certs=options["verify"])
client.users_get_space_usage()
stored, chunk = "/tool/" + name, 4 << 20
""",
        """
from dropbox.files import CommitInfo, UploadSessionCursor
if direction == "from":
    client.files_download_to_file(path, stored)
else:
    with open(path, "rb") as file:
        session = client.files_upload_session_start(file.read(chunk)).session_id
        while os.path.getsize(path) - file.tell() > chunk:
            client.files_upload_session_append_v2(file.read(chunk), UploadSessionCursor(session, file.tell() - chunk))
        cursor = UploadSessionCursor(session, file.tell())
        client.files_upload_session_finish(file.read(chunk), cursor, CommitInfo(stored))
""",
    ),
    "storage": Tool(
        "`FileSystemStorage`",
        """
import django
from django.conf import settings
settings.configure()
from django.core.files import File
from django.core.files.storage import FileSystemStorage
storage = FileSystemStorage(location=options["root"] + "-tool")
""",
        """
import shutil
if direction == "to":
    with open(path, "rb") as file:
        storage.save(name, File(file))
else:
    with storage.open(name) as file, open(path, "wb") as target:
        shutil.copyfileobj(file, target, 1 << 20)
""",
    ),
    "local": Tool(
        "`cp` and `sync`",
        """
import subprocess
stored = os.path.join(options["root"] + "-tool", name)
os.makedirs(os.path.dirname(stored), exist_ok=True)
""",
        """
ends = (path, stored) if direction == "to" else (stored, path)
subprocess.run(["cp", *ends], check=True)
if direction == "to":
    subprocess.run(["sync", stored], check=True)
""",
    ),
}
