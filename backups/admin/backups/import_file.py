"""Importing an uploaded archive: it is verified, stored and recorded within the request."""

from uuid import uuid4

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from backups.admin.backups.uploads import WorkspaceUpload
from backups.admin.shared.permissions import may
from backups.admin.shared.views import actor, page, redirect_to, refuse
from backups.errors import BackupError
from backups.models import BackupExecution
from backups.runs.workspace import workspace
from backups.service.catalogue.import_file import import_archive as import_file
from destinations.lib.operator_error import OperatorError, sentences
from destinations.models import BackupDestination


class ImportForm(forms.Form):
    destination = forms.ModelChoiceField(
        BackupDestination.objects.enabled(),
        error_messages={"invalid_choice": "This destination is disabled or gone: choose another one."},
    )
    archive = forms.FileField(help_text="Of this site, of another one or of the TACACS+ server itself.")


@csrf_exempt
def import_archive(request: HttpRequest) -> HttpResponse:
    """Show the form, or import the file.

    The CSRF token is checked by `_receive`: a check reads the request, and the upload handler has to be set before.
    """
    if request.method not in ("GET", "POST"):
        return HttpResponseNotAllowed(["GET", "POST"])
    if not may(request.user, "import_backup"):
        refuse(request, "import an archive")
    if request.method == "GET":
        return _page(request, ImportForm())
    try:
        with workspace(str(uuid4())) as directory:
            upload = WorkspaceUpload(directory, int(request.META.get("CONTENT_LENGTH") or 0))
            request.upload_handlers = [upload]
            return _receive(request, upload)
    except BackupError as error:
        form = ImportForm(request.POST, request.FILES)
        form.add_error(None, error.text)
        return _page(request, form)


@csrf_protect
def _receive(request: HttpRequest, upload: WorkspaceUpload) -> HttpResponse:
    form = ImportForm(request.POST, request.FILES)
    if upload.problem:
        form.errors.pop("archive", None)
        form.add_error(None, sentences(upload.problem, "Use the command importarchive for large files."))
    elif form.is_valid() and upload.path is not None:
        try:
            backup = import_file(upload.path, form.cleaned_data["destination"], by=actor(request))
        except OperatorError as error:
            form.add_error(None, error.text)
        else:
            messages.success(request, f"The archive {backup} was verified and imported.")
            return redirect_to(backup)
    return _page(request, form)


def _page(request: HttpRequest, form: ImportForm) -> HttpResponse:
    status = 400 if form.is_bound else 200
    context = {"title": "Import an archive", "opts": BackupExecution._meta, "form": form}
    return page(request, "backups/backupexecution/import", status=status, **context)
