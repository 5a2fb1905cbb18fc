"""Tests of the story of a build that healed itself."""

from wheelyard.domain.healing.findings import Finding, FindingKind
from wheelyard.domain.healing.healing import Healing, HealRound, Inference, InferenceSource
from wheelyard.domain.healing.story import tell_story

_PREDICTED = Inference(
    key="apt",
    value="libyaml-dev",
    source=InferenceSource.PREDICTED,
    reason="yaml.h is in libyaml-dev",
    line="_yaml.h:1",
)
_ADDED = Inference(
    key="apt", value="libcap-dev", source=InferenceSource.FAILURE, reason="cap.h is in libcap-dev", line="no cap.h"
)
_FOUND = Finding(kind=FindingKind.HEADER, name="cap.h", cause="the C header cap.h is missing")
_HEALING = Healing(
    rounds=(
        HealRound(stage="", findings=(), added=(_PREDICTED,)),
        HealRound(stage="build", findings=(_FOUND,), added=(_ADDED,)),
    )
)


def test_story_tells_each_try_and_its_end() -> None:
    chapters = tell_story(_HEALING, succeeded=True)

    assert [one.title for one in chapters] == [
        "Its sdist asks for this",
        "Try 1 failed in the build stage: the C header cap.h is missing",
        "Try 2 succeeded",
    ]
    (step,) = chapters[1].steps
    assert (step.found, step.done, step.line) == ("cap.h is in libcap-dev", "install libcap-dev", "no cap.h")


def test_story_of_a_failure_says_so() -> None:
    assert tell_story(_HEALING, succeeded=False)[-1].title == "Try 2 failed, and nothing new was left to try"


def test_proposal_says_that_it_was_not_tried() -> None:
    proposed = Healing(rounds=_HEALING.rounds, is_proposed=True)

    assert "only proposes" in tell_story(proposed, succeeded=False)[-1].title
