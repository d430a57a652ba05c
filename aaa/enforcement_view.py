"""The directory as enforcement sees it: what each session is to have, without a round trip.

It is the same memory map that the node's logins read, so a session is not told one thing and its
next login another.  A turn shares one snapshot; it must be short, and nothing is awaited in it.
"""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import structlog

from aaa.directory import Directory
from aaa.enforcement import OFF, Live, wanted_of
from aaa.enforcement_print import print_of
from aaa.nas_table import templates_of
from aaa.records import NasRecord, Personal, ProfileRecord, SubscriberRecord
from aaa.rendering import GARDEN, PLAN, THROTTLED, Renderer
from nas_adapters.profile import ServiceProfile
from nas_adapters.templates import NO_TEMPLATES, Templates

log = structlog.get_logger()

# An older directory may be of yesterday: nobody is disconnected on its word.
TRUSTED_S: Final = 180.0
KEPT_MAX: Final = 20_000
GIVEN_KEPT_MAX: Final = 1_000
PERSONAL_PLANS_MAX: Final = 20
_UNKNOWN: Final = "unknown-user"


class Entitled(NamedTuple):
    """What a session is to have.  `profile` is None with OFF."""

    wanted: str
    service: str
    reason: str
    profile: ServiceProfile | None

    @property
    def is_of_nobody(self) -> bool:
        """The directory has no such subscriber."""
        return self.reason == _UNKNOWN


class View:
    """One a process, on an environment that nobody else of it uses in a turn."""

    def __init__(self, directory: Directory, renderer: Renderer) -> None:
        self._directory = directory
        self._renderer = renderer
        self._nases: dict[int, NasRecord] = {}
        self._named: dict[int, Templates] = {}
        self._profiles: dict[int, ProfileRecord] = {}
        self._kept: dict[
            tuple[int, str, Templates, Personal | None], tuple[str, ServiceProfile]
        ] = {}
        self._given: dict[tuple[int, Templates, Personal | None], dict[str, ServiceProfile]] = {}
        self._is_in_turn = False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A snapshot, with its plans and NASes."""
        assert not self._is_in_turn, "nothing is awaited in a turn"
        self._is_in_turn = True
        try:
            if self._directory.begin_turn():
                self._nases = {nas.id: nas for nas in self._directory.nases()}
                self._named = {number: templates_of(nas) for number, nas in self._nases.items()}
                self._profiles = {one.id: one for one in self._directory.profiles()}
                self._renderer.replace_profiles(self._profiles)
                self._kept.clear()
                self._given.clear()
            yield
        finally:
            self._directory.end_turn()
            self._is_in_turn = False

    @property
    def current_at_s(self) -> float:
        return self._directory.current_at_s

    def is_trusted(self, now_s: float) -> bool:
        """Whether sessions may be judged for whom nobody has compared it with the database."""
        with self.turn():
            return now_s - self.current_at_s <= TRUSTED_S

    def subscriber(self, number: int) -> SubscriberRecord | None:
        return self._directory.subscriber_of(number)

    def profile(self, number: int) -> ProfileRecord | None:
        return self._profiles.get(number)

    def knows_nas(self, number: int) -> bool:
        return number in self._nases

    def entitled(self, session: Live, now_s: int) -> Entitled | None:
        """What it is to have now; None: that cannot be said of it, and is logged."""
        record = self._directory.subscriber_of(session.subscriber_id)
        plan = None if record is None else self._profiles.get(record.profile_id)
        wanted = wanted_of(session, record, plan, now_s)
        if wanted.service == OFF:
            return Entitled(OFF, OFF, wanted.reason, None)
        assert record is not None
        try:
            fingerprint, profile = self._printed(
                record.profile_id, wanted.service, self._templates(session), record.personal
            )
        except ValueError as error:  # of an address, or a template
            log.warning("enforcement_unrenderable", session=session.id, error=str(error))
            return None
        return Entitled(fingerprint, wanted.service, wanted.reason, profile)

    def given(self, session: Live, fingerprint: str) -> ServiceProfile | None:
        """The service that has this print, if it is one that could have been given: of his plan,
        or of any other that the tenant has now."""
        if not fingerprint or fingerprint == OFF:
            return None
        record = self._directory.subscriber_of(session.subscriber_id)
        personal = None if record is None else record.personal
        key = (session.tenant_id, self._templates(session), personal)
        given = self._given.get(key)
        if given is None:
            if len(self._given) >= GIVEN_KEPT_MAX:
                self._given.clear()
            mine = 0 if record is None else record.profile_id
            given = self._given[key] = self._all_that_could_be(*key, mine)
        return given.get(fingerprint)

    def _all_that_could_be(
        self, tenant_id: int, templates: Templates, personal: Personal | None, mine: int
    ) -> dict[str, ServiceProfile]:
        found: dict[str, ServiceProfile] = {}
        plans = [plan for plan in self._profiles.values() if plan.tenant_id == tenant_id]
        if personal is not None:  # each has prints of his own: his plan, and some others
            plans.sort(key=lambda plan: plan.id != mine)
            del plans[PERSONAL_PLANS_MAX:]
        for plan in plans:
            for service in (PLAN, THROTTLED, GARDEN):
                if service == THROTTLED and plan.quota is None:
                    continue
                with contextlib.suppress(ValueError):  # what cannot be said was never given
                    fingerprint, profile = self._printed(plan.id, service, templates, personal)
                    found[fingerprint] = profile
        return found

    def _printed(
        self, profile_id: int, service: str, templates: Templates, personal: Personal | None
    ) -> tuple[str, ServiceProfile]:
        key = (profile_id, service, templates, personal)
        found = self._kept.get(key)
        if found is None:
            profile = self._renderer.service_profile(profile_id, personal, service, templates)
            found = print_of(profile, service), profile
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            self._kept[key] = found
        return found

    def _templates(self, session: Live) -> Templates:
        return self._named.get(session.nas_id, NO_TEMPLATES)
