from django.db import models


class UploadedFile(models.Model):
    # Names keep their folders; the default of 100 characters is soon too short.
    file = models.FileField(max_length=500)

    def __str__(self) -> str:
        return self.file.name
