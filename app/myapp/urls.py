from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import path

from uploader.views import index

urlpatterns = [
    path("", index, name="index"),
    path("admin/", admin.site.urls),
]

# Media files of the local folder; those in the cloud are served by their storage.
if settings.DEBUG and settings.MEDIA_ROOT:
    urlpatterns.extend(static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT))
