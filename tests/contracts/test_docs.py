"""Keep the pages true: links lead somewhere, examples work, pictures are what their text says."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import plot
from slipway.secrets import Secret
from slipway.storage.base import Provider
from tests.unit.factory import environment

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")
IMAGE = re.compile(r'src="([^"]+)"')
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
EXAMPLE = re.compile(r"<!-- example: ([\w/.]+) -->\n```python\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"\binvoke ([a-z][a-z-]*(?:\.[a-z]+)?)\b(?! TASK)")
# Named where they may be missing yet, with a pointer to the reference.
WANTED = ("tutorial", "adopt", "divio", "contribute", "architecture", "reference", "rights")
HOWTO = ("own-vps-aws", "own-vps-azure", "s3-compatible", "team-secrets", "more-hosts",
         "leave-divio", "go-back", "air-gapped")  # fmt: skip


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the usual viewers make them."""
    found = HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in found}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    bare = CODE.sub("", text)
    wrong = []
    for target in [*LINK.findall(bare), *IMAGE.findall(bare)]:
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            wrong.append(target)
    assert wrong == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            found = (page.parent / target.partition("#")[0]).resolve()
            if found.suffix == ".md" and found.exists() and found not in seen:
                waiting.append(found)
    assert [name_of(page) for page in PAGES if page not in seen] == []


def test_the_pages_that_a_team_needs_are_there() -> None:
    assert [n for n in WANTED if not (ROOT / "docs" / f"{n}.md").is_file()] == []
    assert [n for n in HOWTO if not (ROOT / "docs" / "howto" / f"{n}.md").is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_task_that_is_named_exists(page: Path) -> None:
    from tasks import namespace

    named = set(COMMAND.findall(page.read_text(encoding="utf-8")))
    assert sorted(named - set(namespace.task_names)) == []


def test_the_readme_fits_on_a_few_screens() -> None:
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n") < 200


def test_the_worked_example_of_a_provider_works(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "contribute.md").read_text(encoding="utf-8")
    ((name, code),) = EXAMPLE.findall(text)
    assert name == "slipway/storage/given.py"
    path = tmp_path / "given.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("given", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    dsn = "s3://K:S@example-media.fra1.digitaloceanspaces.com/?region_name=fra1&auth=s3v4"
    site = environment(variables={"DEFAULT_STORAGE_DSN": Secret(dsn)})
    made = module.GivenProvider(site)
    promised = {one for one in vars(Provider) if not one.startswith("_")}
    assert promised - set(dir(made)) == set(), "docs/contribute.md: the example lacks these"
    assert made.steps() == made.removal() == []
    assert made.provisioned()
    made.prove()
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(path)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == ""


def test_the_pictures_are_what_their_text_says() -> None:
    from docs.pictures import draw

    pictures = ROOT / "docs" / "pictures"
    sources = [*pictures.glob("*.toml"), *pictures.glob("*.txt")]
    assert len(sources) >= 3
    for source in sources:
        drawn = source.with_suffix(".svg").read_text(encoding="utf-8")
        assert drawn == draw.draw(source), f"run 'python -m docs.pictures.draw' ({source.name})"


def test_the_plot_shows_what_was_measured() -> None:
    pictures = ROOT / "docs" / "pictures"
    fields = json.loads((pictures / "media.json").read_text(encoding="utf-8"))
    drawn = (pictures / "media.svg").read_text(encoding="utf-8")
    assert drawn == plot.svg(plot.read(fields), plot.TITLE)
