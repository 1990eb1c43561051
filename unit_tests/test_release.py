"""What a release rests on: one version, one name, pinned parts, and a changelog that tells what breaks."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from benchmarks import trend
from scripts import make_registry_tree, make_site, mutants, release
from source_sage.streams import PACKAGE

ROOT: Final = Path(__file__).parents[1]
MAKEFILE: Final = (ROOT / "Makefile").read_text(encoding="utf-8")
WORKFLOWS: Final = {path.stem: path.read_text("utf-8") for path in sorted((ROOT / ".github/workflows").glob("*.yml"))}


def test_the_version_is_the_same_everywhere() -> None:
    for name, patterns in release.VERSIONS.items():
        for pattern in patterns:
            assert set(release.stated(pattern, (ROOT / name).read_text("utf-8"))) == {release.version()}, name


def test_the_image_has_one_name() -> None:
    for name in release.NAMED:
        assert set(release.names_in((ROOT / name).read_text("utf-8"))) == {release.image()}, name


def test_every_file_that_names_the_image_is_renamed_with_it() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607
    looked_at = [name for name in listed.split() if not name.startswith(("scripts/", "unit_tests/", "changes/"))]
    named = {one for one in looked_at if "airbyte/source-sage" in (ROOT / one).read_text("utf-8", errors="ignore")}
    # docs/airbyte.md speaks of Airbyte's own name.
    assert named <= {*release.NAMED, "pyproject.toml", "docs/airbyte.md"} or release.image() != "airbyte/source-sage"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("add `airbyte/source-sage` as", ["airbyte/source-sage"]),
        ("docker build -t ghcr.io/acme/source-sage:0.1.0 .", ["ghcr.io/acme/source-sage"]),
        ("name/source-sage@sha256:00", ["name/source-sage"]),
        ("/opt/source-sage/bin/source-sage, connectors/source-sage/metadata.yaml", []),
        ("source-sage spec", []),
    ],
)
def test_the_image_s_name_is_found_in_a_text(text: str, names: list[str]) -> None:
    assert release.names_in(text) == names


@pytest.mark.parametrize(
    ("before", "after", "may_break"),
    [
        ("0.1.0", "0.1.1", False),
        ("0.1.9", "0.2.0", True),
        ("0.9.0", "1.0.0", True),
        ("1.0.0", "1.1.0", False),
        ("1.9.9", "2.0.0", True),
    ],
)
def test_which_step_of_a_version_may_break(before: str, after: str, may_break: bool) -> None:
    assert release.must_be_breaking(before, after) is may_break


@pytest.mark.parametrize(
    ("broken", "next_", "said", "wrong"),
    [
        ([], "1.0.1", False, ""),
        (["the stream contacts is gone"], "2.0.0", True, ""),
        (["the stream contacts is gone"], "2.0.0", False, "no changes/*.breaking.md says: the stream contacts is gone"),
        (["the stream contacts is gone"], "1.1.0", True, "1.1.0 is no number for a breaking change after 1.0.0"),
        ([], "1.1.0", True, "1.1.0 is no number for a breaking change after 1.0.0"),
        ([], "1.0.0", True, ""),  # not numbered yet
    ],
)
def test_what_breaks_must_be_said_and_numbered_so(broken: list[str], next_: str, said: bool, wrong: str) -> None:
    assert release.unsaid(broken, "1.0.0", next_, said) == wrong


def test_a_package_without_a_hash_is_found() -> None:
    assert release.unhashed("good==1 \\\n    --hash=sha256:00\nbad==2\nworse==3 \\\n    --hash=md5:00") == [
        "bad==2",
        "worse==3",
    ]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_action_is_pinned_and_every_right_is_given_by_a_job(name: str) -> None:
    assert release.unpinned(WORKFLOWS[name]) == []
    workflow = yaml.safe_load(WORKFLOWS[name])
    assert workflow["permissions"] == {}
    assert all("permissions" in job and "timeout-minutes" in job for job in workflow["jobs"].values())


def test_an_action_that_may_move_is_found() -> None:
    assert release.unpinned("- uses: actions/checkout@v7\n- uses: a/b@" + "0" * 40) == ["actions/checkout@v7"]


def test_nothing_is_published_before_everything_is_tested() -> None:
    jobs = yaml.safe_load(WORKFLOWS["release"])["jobs"]

    def before(job: str) -> set[str]:
        needs = jobs[job].get("needs", [])
        direct = {needs} if isinstance(needs, str) else set(needs)
        return direct.union(*map(before, direct))

    publishing = [name for name, job in jobs.items() if set(job["permissions"].values()) & {"write"}]
    assert set(publishing) == {"image", "sign", "pypi", "announce"}
    assert all({"build", "test"} <= before(name) for name in publishing)


def test_what_a_workflow_runs_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    for text in WORKFLOWS.values():
        assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= targets
        for module in re.findall(r"python -m ([\w.]+)", text):
            assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module


def test_make_alone_lists_every_target_with_a_line() -> None:
    (phony,) = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)", MAKEFILE, re.MULTILINE)
    targets = phony.replace("\\\n", " ").split()
    command = ["make", "--no-print-directory"]  # the tests themselves are started by make
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603
    assert {line.split()[0] for line in listed.splitlines() if len(line.split()) > 2} == set(targets)


@pytest.mark.parametrize("form", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda form: form.stem)
def test_a_form_has_no_field_twice(form: Path) -> None:
    ids = [field["id"] for field in yaml.safe_load(form.read_text()).get("body", []) if "id" in field]
    assert len(ids) == len(set(ids))


def test_a_bug_comes_with_its_reports() -> None:
    body = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text())["body"]
    required = {field["id"] for field in body if field.get("validations", {}).get("required")}
    assert {"version", "sync-report", "probe-report"} <= required


def test_hooks_and_lint_use_the_same_tools() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [one["repo"] for one in hooks] == ["local"]
    entries = [hook["entry"].removesuffix(" --force-exclude") for hook in hooks[0]["hooks"]]
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert lint is not None
    commands = [line.strip().replace("$(BIN)", ".venv/bin").removesuffix(" .") for line in lint[1].splitlines()]
    assert set(commands) <= set(entries)


@pytest.mark.parametrize("fragment", release.fragments(), ids=lambda path: path.name)
def test_a_fragment_is_of_a_kind_that_is_known(fragment: Path) -> None:
    kinds = {one["directory"] for one in release.project()["tool"]["towncrier"]["type"]}
    assert fragment.name.split(".")[1] in kinds
    assert fragment.read_text("utf-8").strip()


# Airbyte's tree, the website, the mutants


def test_airbyte_s_tree_has_its_own_name_and_no_image_tests(tmp_path: Path) -> None:
    written = make_registry_tree.write(tmp_path, release.image())
    folder = tmp_path / make_registry_tree.CONNECTOR
    metadata = yaml.safe_load((folder / "metadata.yaml").read_text())
    assert metadata["data"]["dockerRepository"] == "airbyte/source-sage"
    make_registry_tree.validate(metadata)
    names = {path.relative_to(tmp_path).as_posix() for path in written}
    assert "docs/integrations/sources/sage.md" in names
    assert not [name for name in names if "/image/" in name or name.endswith("Dockerfile")]
    assert {"pyproject.toml", "icon.svg", "README.md"} <= {path.name for path in folder.iterdir()}


def test_another_name_of_ours_does_not_reach_airbyte_s_tree() -> None:
    text = "data: {dockerRepository: ghcr.io/acme/source-sage}"
    assert make_registry_tree.metadata_of(text, "ghcr.io/acme/source-sage")["data"]["dockerRepository"] == (
        "airbyte/source-sage"
    )


def test_every_page_is_in_the_website_s_menu() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert sorted(re.findall(r": (\S+\.md)$", text, re.MULTILINE)) == sorted(make_site.pages())


@pytest.mark.parametrize("page", make_site.pages())
def test_the_website_brings_what_its_pages_link_to(page: str) -> None:
    brought = {*make_site.pages(), *make_site.linked_files(page)}
    text = re.sub(r"```.*?```|`[^`]*`", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link.partition("#")[0] for link in make_site.LINK.findall(text) if not re.match(r"[a-z]+:|#", link)]
    if not (ROOT / "source_sage").exists():  # the tests of what is installed
        links = [link for link in links if not re.match(r"(\.\./)?source_sage/", link)]
    missing = [link for link in links if os.path.normpath(Path(page).parent / link) not in brought]
    assert missing == []


@pytest.mark.parametrize("module", mutants.FLOORS)
def test_a_module_with_a_floor_is_there_once(module: str) -> None:
    assert len([*PACKAGE.rglob(f"{module}.py")]) == 1


def test_a_mutant_counts_as_noticed_by_a_failure_or_by_time_alone() -> None:
    result = mutants.judged({"failed": 1, "looped": 36, "survived": 0, "no test": 33, "not tried": None, "skipped": 34})
    assert (result["mutants"], result["tried"], result["noticed"], result["share"]) == (6, 4, 2, 50.0)
    assert result["survivors"] == ["no test", "survived"]


def test_a_night_of_the_bench_is_a_line() -> None:
    sample: dict[str, Any] = {"experiment": "ledger", "reader": "ours", "setting": "", "trouble": ""}
    runs = [sample | {"round": n, "wall": wall, "peak_mb": 100, "requests": 7} for n, wall in enumerate((3, 1, 2))]
    results = {"machine": {"cpu": "x"}, "rounds": 3, "scale": 1, "begun": 1.0, "seconds": 6}
    line = trend.line_of(results | {"server_rows_a_second": {}, "samples": runs}, "c0ffee")
    assert line["medians"] == {"ledger ours": {"wall": 2, "peak_mb": 100, "requests": 7}}
    json.dumps(line)
