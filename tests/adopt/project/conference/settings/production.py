"""What differs between environments is the environment's."""

from urllib.parse import urlsplit

# isort: off
from .base import *
from cloud.settings import *

# Pages may show pictures and use style sheets from where the storage serves them.
_media = urlsplit(MEDIA_URL)
if _media.netloc:
    for _kind in ("img-src", "style-src"):
        CONTENT_SECURITY_POLICY["DIRECTIVES"][_kind] += (f"{_media.scheme}://{_media.netloc}",)
