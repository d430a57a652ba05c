"""What a deadline says when it has passed."""

import asyncio

import pytest

from core.deadlines import within
from core.trouble import in_a_line


async def test_a_deadline_that_passed_says_what_was_waited_for() -> None:
    with pytest.raises(TimeoutError, match=r"^counting the stars took more than 0\.01 s$"):
        async with within(0.01, "counting the stars"):
            await asyncio.sleep(5.0)


async def test_what_went_wrong_inside_is_told_as_it_is() -> None:
    with pytest.raises(TimeoutError, match=r"^the NAS is silent$"):
        async with within(5.0, "counting the stars"):
            raise TimeoutError("the NAS is silent")


def test_an_error_without_words_is_told_by_its_kind() -> None:
    assert in_a_line(TimeoutError()) == "TimeoutError"
    assert in_a_line(OSError("no space\nleft")) == "OSError: no space"
