"""Make a conference with people, talks, pictures and papers, as its forms would."""

import datetime as dt
import hashlib
import sys
from io import BytesIO

from django.core.files.base import ContentFile
from django.core.management import BaseCommand
from django_scopes import scope, scopes_disabled
from PIL import Image
from pretalx.event.models import Event
from pretalx.event.utils import create_organiser_with_team
from pretalx.person.models import SpeakerInformation, SpeakerProfile, User
from pretalx.schedule.models import Room
from pretalx.submission.models import Resource, Submission

PAPERS = ("Grüße aus Zürich.txt", "slides of the talk.pdf", "diagram.svg", "page.html", "no suffix")
TALKS = 8


class Command(BaseCommand):
    """Create the organiser, whose password comes from standard input, and the event `harbour`."""

    help = "make a conference with people, talks, pictures and papers"

    def handle(self, *_: object, **__: object) -> None:
        password = sys.stdin.readline().strip()
        ada = User.objects.create_superuser(password, email="ada@example.org", name="Ada Lovelace")
        with scopes_disabled():
            event = _event(ada)
        with scope(event=event):
            _fill(event)
        self.stdout.write(f"{TALKS} talks")


def _event(organiser: User) -> Event:
    team = create_organiser_with_team(name="Harbour", slug="harbourorg", users=[organiser])
    today = dt.date.today()
    event = Event.objects.create(
        name="HarbourConf", slug="harbour", organiser=team[0], is_public=True,
        email="orga@example.org", date_from=today, date_to=today + dt.timedelta(days=2),
        landing_page_text="# Ships and shells",
    )  # fmt: skip
    team[1].limit_events.add(event)
    event.logo.save("logo.png", _picture("logo"))
    event.header_image.save("header.jpg", _picture("header", 1600))
    event.custom_css.save("own.css", ContentFile(b"h1 { letter-spacing: 1px }\n"))
    return event


def _fill(event: Event) -> None:
    room = Room.objects.create(event=event, name="Pier 1")
    information = SpeakerInformation.objects.create(event=event, title="Way", text="By boat")
    information.resource.save("map.pdf", ContentFile(b"%PDF-1.4 map"))
    for number in range(TALKS):
        _talk(event, number, room)
    event.release_schedule("1.0")


def _talk(event: Event, number: int, room: Room) -> None:
    speaker = User.objects.create_user(email=f"s{number}@example.org", name=f"Speaker {number}")
    SpeakerProfile.objects.create(user=speaker, event=event, biography="Has sailed.")
    speaker.avatar.save(f"Porträt {number}.png", _picture(f"speaker {number}", 700))
    speaker.process_image("avatar", generate_thumbnail=True)
    talk = Submission.objects.create(
        event=event, title=f"Tide {number}", submission_type=event.cfp.default_type,
        abstract="Water", content_locale="en",
    )  # fmt: skip
    talk.speakers.add(speaker)
    talk.image.save("cover.png", _picture(f"talk {number}"))
    for name in PAPERS:
        paper = Resource(submission=talk, description=name)
        paper.resource.save(name, ContentFile(f"{number} {name}\n".encode() * 200))
    _schedule(talk, event.datetime_from + dt.timedelta(hours=9 + number), room)


def _schedule(talk: Submission, begin: dt.datetime, room: Room) -> None:
    talk.accept()
    talk.confirm()
    slot = talk.slots.first()
    slot.start, slot.end, slot.room = begin, begin + dt.timedelta(minutes=30), room
    slot.save()


def _picture(name: str, width: int = 300) -> ContentFile:
    """Return a picture with a pattern of its own."""
    seed = hashlib.sha256(name.encode()).digest()
    small = Image.frombytes("RGB", (3, 3), seed[:27])
    file = BytesIO()
    small.resize((width, width * 2 // 3)).save(file, "PNG")
    return ContentFile(file.getvalue())
