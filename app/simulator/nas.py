"""A simulated NAS: its sessions, and what it says and hears about them.

Events go in (`dial`, `answered`, `tick`, ...), questions and events come out
(`take_questions`, `take_events`).  Sans-IO: no socket and no clock; `now` is the
simulation's time in seconds since 1970, and every random number comes from the seed, the
NAS, the subscriber and how often he has dialled, so that no other's doings change it.

Answering CoA is `coa`'s, the words are the personality's.
"""

import random
from ipaddress import IPv4Address
from typing import Final

from app.simulator import events, records
from app.simulator.agenda import Action, Agenda
from app.simulator.asker import Answered, Kind, Question
from app.simulator.events import Attempt, Happened, Record, What
from app.simulator.faults import NONE
from app.simulator.habits import Habits
from app.simulator.login import Method, prove
from app.simulator.personality import Box, Line, Personality
from app.simulator.service import Service, Unusable
from app.simulator.session import Session, Subscriber
from app.simulator.wire import Fields, fields
from core.radius.types import ACCESS_ACCEPT, REPLY_MESSAGE

BOOTS_IN_S: Final = 30.0
SAYS_SO_AFTER_S: Final = 2.0  # no box is up again within the second of its last report


class Nas:
    """One NAS.  `sessions` are those online, by Acct-Session-Id."""

    def __init__(
        self,
        box: Box,
        personality: Personality,
        secret: str,
        *,
        seed: int = 1,
        pool: str = "100.64.0.0",
        habits: Habits | None = None,
    ) -> None:
        self.box = box
        self.personality = personality
        self.secret = secret.encode()
        self.faults = NONE
        self.sessions: dict[str, Session] = {}
        self._habits = habits or Habits()
        self._seed = seed
        self._boots = random.Random(f"{seed}/{box.name}").randrange(16)  # noqa: S311 - repeatable
        self._count = 0  # of sessions since it booted
        self._lines = 0
        self._addresses = 0
        self._dials: dict[str, int] = {}
        self._chances: dict[str, random.Random] = {}
        self._pool = int(IPv4Address(pool))
        self._questions: list[Question] = []
        self._events: list[Happened] = []
        self._agenda = Agenda()
        self._is_stopped = False

    def take_questions(self) -> list[Question]:
        """What is to be asked since the last time."""
        taken, self._questions = self._questions, []
        return taken

    def take_events(self) -> list[Happened]:
        """What happened since the last time."""
        taken, self._events = self._events, []
        return taken

    def due_s(self) -> float | None:
        """When `tick` has something to do."""
        return self._agenda.due_s()

    def tick(self, now: float) -> None:
        """Do what is due by now, each thing at its own time and in that order."""
        self._agenda.run(now)

    def plan(self, at_s: float, action: Action) -> None:
        """Have something done later."""
        self._agenda.plan(at_s, action)

    def tell(self, event: Happened) -> None:
        """Note that something happened."""
        self._events.append(event)

    def dial(self, subscriber: Subscriber, now: float) -> Attempt:
        """Somebody's device wants to come online."""
        del now  # an Access-Request has no time of its own
        chance = self._begin_chance(subscriber)
        self._count += 1
        self._lines += 1
        made = self.personality
        attempt = Attempt(
            subscriber,
            made.session_id(self.box.name, self._boots, self._count),
            self._lines % 2**16,
            self._address() if made.address_at_login else "",
        )
        line = Line(self.box, subscriber, attempt.acct_session_id, attempt.port, attempt.framed_ip)
        method = Method(subscriber.method or made.methods[0])
        authenticator = chance.randbytes(16)
        proof = prove(
            method,
            subscriber.username,
            subscriber.password,
            secret=self.secret,
            authenticator=authenticator,
            chance=chance,
        )
        attempt.proof = proof
        self._questions.append(
            Question(
                Kind.LOGIN,
                records.login(made, line) + proof.attributes,
                attempt,
                authenticator=authenticator,
                signed=made.signs_requests or method is Method.NONE,
                demands_signature=made.demands_signature,
            )
        )
        return attempt

    def answered(self, answer: Answered, now: float) -> None:
        """The server spoke."""
        about = answer.question.about
        if isinstance(about, Record):
            self.tell(
                Happened(
                    What.ACKNOWLEDGED,
                    about.session,
                    record=about,
                    took_s=answer.took_s,
                    answer=answer,
                )
            )
        elif isinstance(about, Attempt):
            said = fields(answer.reply)
            if answer.reply.code == ACCESS_ACCEPT:
                self._accepted(about, said, answer, now)
            else:
                self._refused(What.REJECTED, about, said.text(REPLY_MESSAGE) or "", answer, now)

    def unanswered(self, question: Question, now: float) -> None:
        """A question that was given up."""
        about = question.about
        if isinstance(about, Attempt):
            self._refused(What.LOGIN_UNANSWERED, about, "", None, now)
        elif isinstance(about, Record):
            self.tell(Happened(What.UNACKNOWLEDGED, about.session, record=about))
            session = about.session
            if session is not None and session.is_online and self.personality.drops_unaccounted:
                self.end(session, events.NAS_ERROR, now)

    def end(self, session: Session, cause: int, now: float) -> None:
        """Send the Stop and forget it; the device at home dials again if it is of that kind."""
        session.count(now)
        session.ended_s, session.cause = now, cause
        self.sessions.pop(session.acct_session_id, None)
        self.report(session, events.STOP, now)
        self.tell(Happened(What.ENDED, session))
        self._redial(session.subscriber, now, was_refused=False)

    def report(self, session: Session, status_type: int, now: float) -> Record:
        """A record of what was counted until now."""
        if session.is_online:
            session.count(now)
        made = self.personality
        told, attributes = records.record(
            status_type, made, self.box, session, now, wide=self.faults.gigawords
        )
        self._ask(told, attributes)
        chance = self._chance(session.subscriber)
        if self.faults.repeats and chance.random() < self.faults.repeats:
            again_s = now + chance.random() * self.faults.repeat_s
            self.plan(again_s, lambda _: self._ask(told, attributes))
        return told

    def hang_up_all(self, now: float) -> None:
        """Everybody leaves."""
        for session in list(self.sessions.values()):
            self.end(session, events.USER_REQUEST, now)

    def stop(self, now: float) -> None:
        """Everybody leaves, and nobody comes again."""
        self.tick(now)  # what was due before
        self._agenda.clear()
        self._is_stopped = True
        self.hang_up_all(now)

    def look_at_end(self, session: Session, now: float) -> None:
        """End a session whose time or octets are used up, or look again when they will be."""
        if not session.is_online:
            return
        session.count(now)
        timeout_s = session.service.session_timeout_s
        if timeout_s is not None and now >= session.began_s + timeout_s:
            self.end(session, events.SESSION_TIMED_OUT, now)
        elif session.spent():
            self.end(session, events.NAS_REQUEST, now)
        elif (ends_s := session.ends_at_s()) is not None:
            self.plan(max(ends_s, now), lambda at_s: self.look_at_end(session, at_s))

    def reboot(self, now: float, *, says_so: bool | None = None) -> None:
        """All sessions are gone, without a Stop; `says_so`: with Accounting-On, None: as its
        make does.  The devices at home dial again."""
        gone, self.sessions = list(self.sessions.values()), {}
        for session in gone:
            session.count(now)
            session.ended_s, session.cause = now, events.LOST_CARRIER
            self.tell(Happened(What.ENDED, session))
            self._redial(session.subscriber, now + BOOTS_IN_S, was_refused=False)
        self._count = 0
        if not self.faults.reuses_session_ids:
            self._boots += 1
        if self.personality.accounting_on if says_so is None else says_so:
            self.plan(now + SAYS_SO_AFTER_S, self._say_that_it_booted)

    def _accepted(self, attempt: Attempt, said: Fields, answer: Answered, now: float) -> None:
        try:
            if not attempt.proof.is_answered_by(said):
                raise Unusable("the server does not know the password itself (MS-CHAPv2)")
            service = self.personality.read(said, self.box)
        except Unusable as why:
            self._refused(What.UNUSABLE, attempt, str(why), answer, now)
            return
        session = self._session(attempt, service, now)
        if self._is_stopped:  # the answer came too late
            self._refused(What.UNUSABLE, attempt, "hung up", answer, now)
            return
        self.sessions[session.acct_session_id] = session
        self.tell(Happened(What.ACCEPTED, session, attempt, took_s=answer.took_s, answer=answer))
        self.report(session, events.START, now)
        self._plan_interim(session, now)
        self.look_at_end(session, now)
        stay_s = self._habits.stay_s(self._chance(attempt.subscriber))
        if stay_s is not None:
            self.plan(now + stay_s, lambda at_s: self._leave(session, at_s))

    def _session(self, attempt: Attempt, service: Service, now: float) -> Session:
        return Session(
            attempt.subscriber,
            attempt.acct_session_id,
            attempt.port,
            service.framed_ip or attempt.framed_ip or self._address(),
            service,
            self.box.walls,
            began_s=now,
            counted_at_s=now,
        )

    def _refused(
        self, what: What, attempt: Attempt, detail: str, answer: Answered | None, now: float
    ) -> None:
        took_s = answer.took_s if answer is not None else 0.0
        self.tell(Happened(what, attempt=attempt, took_s=took_s, detail=detail, answer=answer))
        self._redial(attempt.subscriber, now, was_refused=True)

    def _redial(self, subscriber: Subscriber, now: float, *, was_refused: bool) -> None:
        if subscriber.redials and not self._is_stopped:
            wait_s = self._habits.until_redial_s(self._chance(subscriber), was_refused=was_refused)
            self.plan(now + wait_s, lambda at_s: self._dial_again(subscriber, at_s))

    def _dial_again(self, subscriber: Subscriber, now: float) -> None:
        self.dial(subscriber, now)

    def _say_that_it_booted(self, now: float) -> None:
        self._ask(*records.booted(self.personality, self.box, now))

    def _leave(self, session: Session, now: float) -> None:
        if session.is_online:
            self.end(session, events.USER_REQUEST, now)

    def _plan_interim(self, session: Session, now: float) -> None:
        told_s = None if self.box.own_interim else session.service.interim_s
        interim_s = told_s or self.box.interim_s
        if interim_s:
            self.plan(now + interim_s, lambda at_s: self._interim(session, at_s))

    def _interim(self, session: Session, now: float) -> None:
        if session.is_online:
            self.report(session, events.INTERIM, now)
            self._plan_interim(session, now)

    def _ask(self, told: Record, attributes: bytes) -> None:
        delay_times = self.personality.delay_times
        self._questions.append(Question(Kind.RECORD, attributes, told, delay_times=delay_times))

    def _address(self) -> str:
        """The next one of the box's own pool."""
        self._addresses += 1
        return str(IPv4Address(self._pool + self._addresses))

    def _begin_chance(self, subscriber: Subscriber) -> random.Random:
        """Random numbers of this dial alone."""
        name = subscriber.username
        self._dials[name] = dials = self._dials.get(name, 0) + 1
        text = f"{self._seed}/{self.box.name}/{name}/{dials}"
        self._chances[name] = chance = random.Random(text)  # noqa: S311 - repeatable, on purpose
        return chance

    def _chance(self, subscriber: Subscriber) -> random.Random:
        """That of his latest login; who has made none here may have sessions of the past."""
        found = self._chances.get(subscriber.username)
        if found is None:
            text = f"{self._seed}/{self.box.name}/{subscriber.username}"
            found = self._chances[subscriber.username] = random.Random(text)  # noqa: S311 - as above
        return found
