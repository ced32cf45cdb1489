from pathlib import PurePosixPath

from django import template

register = template.Library()
PICTURES = {"avif", "gif", "jpeg", "jpg", "png", "svg", "webp"}


@register.filter
def split_name(name: str) -> dict[str, str | bool]:
    """Return what the list shows of a file's name."""
    path = PurePosixPath(name)
    kind = path.suffix.lstrip(".").lower()
    folder = "" if path.parent == PurePosixPath(".") else f"{path.parent}/"
    return {"name": path.name, "folder": folder, "kind": kind[:4], "is_picture": kind in PICTURES}
