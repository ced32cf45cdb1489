from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from uploader.models import UploadedFile


def index(request: HttpRequest) -> HttpResponse:
    """List every uploaded file with a link to where its storage serves it."""
    return render(request, "uploader/index.html", {"files": UploadedFile.objects.order_by("file")})
