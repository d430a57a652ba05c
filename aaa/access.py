"""An Access-Request from its attributes to its reply: gather the facts, ask the rules, say it.

The handler behind the authentication port.  It reads the directory and nothing else, so
a login waits for no database.  Every line here runs for every login: what can be known
beforehand is known beforehand.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from aaa.credentials import open_credential
from aaa.decisions import DecisionLog, DecisionRecord
from aaa.device import device_of
from aaa.directory import Directory
from aaa.facts import facts_of
from aaa.finding import BY_NAME, DEVICE, find, has_password, name_guessed_at
from aaa.live import Live
from aaa.methods.choose import prove
from aaa.methods.context import ProofContext
from aaa.methods.eap import rejection
from aaa.methods.outcome import Challenged, Failed, Outcome, Proven
from aaa.nas_table import NasTable
from aaa.places import NOTHING, SESSIONS_TRUSTED_S, LiveSession
from aaa.policy import Deny, Facts, Permit, authorize, trace
from aaa.pools_login import Addresses
from aaa.pools_store import NoAddress
from aaa.records import NasRecord, SubscriberRecord
from aaa.rendering import UNRENDERABLE_MESSAGE, Renderer, Unrenderable, service_for
from aaa.throttle import Throttle
from core.clock import Clock
from core.octets import to_text
from core.radius.clients import Client
from core.radius.packet import Packet, attribute
from core.radius.responder import Reply, Source
from core.radius.types import (
    ACCESS_ACCEPT,
    ACCESS_CHALLENGE,
    ACCESS_REJECT,
    CALLING_STATION_ID,
    EAP_MESSAGE,
    NAS_PORT,
    NAS_PORT_ID,
    PACKET_LENGTH_MAX,
    REPLY_MESSAGE,
    USER_NAME,
)
from core.secret import CannotOpen, Vault
from nas_adapters.mac import normalise

log = structlog.get_logger()

CLASS_MARK = b"ai:"  # ours; the accounting side finds subscriber and login by it
_CLASS_HEADER = bytes((25, 37)) + CLASS_MARK
_SESSION_TIMEOUT_HEADER = bytes((27, 6))
_uint32 = struct.Struct(">I")
_UINT32_MAX = 2**32 - 1
_NONCES_AT_ONCE = 512
_ACCEPT_OCTETS_MAX = PACKET_LENGTH_MAX - 38  # beside the header and the Message-Authenticator
# What objected after the rules, by its reason.
_LATE_RULES = {"unrenderable": "render", "pool-empty": "address"}
_REFUSED_UNASKED = Failed("none", "guessing")


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """The numbers that `Access` works with."""

    reject_delay_s: float
    reservation_s: float
    garden_session_timeout_s: int


class Access:
    """Decides logins.  One a worker; `refresh` before each turn, `end_turn` after it.

    `vault` opens what is at rest, `states` seals what EAP gets back a moment later.
    """

    def __init__(
        self,
        directory: Directory,
        live: Live,
        renderer: Renderer,
        throttle: Throttle,
        decisions: DecisionLog,
        vault: Vault,
        states: Vault,
        clock: Clock,
        random: Callable[[int], bytes],
        settings: AccessSettings,
        addresses: Addresses | None = None,
    ) -> None:
        self._addresses = addresses
        self.nases = NasTable(vault)
        self._directory = directory
        self._live = live
        self._renderer = renderer
        self._throttle = throttle
        self._decisions = decisions
        self._vault = vault
        self._states = states
        self._clock = clock
        self._random = random
        self._settings = settings
        self._delay_s = settings.reject_delay_s
        self._nonces: list[bytes] = []

    def refresh(self) -> bool:
        """Take a snapshot for the turn; whether `nases` is new."""
        if not self._directory.begin_turn():
            return False
        self._renderer.replace_profiles({p.id: p for p in self._directory.profiles()})
        self.nases.reload(self._directory)
        return True

    def end_turn(self) -> None:
        """Let the snapshot go and write down what was decided."""
        self._directory.end_turn()
        self._decisions.flush()

    def handle(self, packet: Packet, client: Client, source: Source, now: float) -> Reply | None:
        """Decide one authentic Access-Request.  `now` is monotonic; holds and limits of time are
        in wall-clock terms, so that is asked here."""
        del source
        known = self.nases.known(client.id)
        if known is None:  # removed since the packet was matched: as if never known
            return None
        nas = known.record
        now_s = self._clock.unix_s()
        name = packet.first.get(USER_NAME) or b""
        calling = packet.first.get(CALLING_STATION_ID) or b""
        record, found_by, vouched = find(self._directory, known, packet, name)
        guessed = name if found_by == BY_NAME else name_guessed_at(record, name, found_by, vouched)
        may_lock = not vouched or (vouched == DEVICE and has_password(record))
        locked = may_lock and self._throttle.is_locked(nas.id, calling, guessed, now)
        outcome: Outcome
        challenge = b""
        if locked:
            outcome = _REFUSED_UNASKED
        else:
            outcome = self._prove(packet, client, nas, name, record, vouched, now_s)
            if isinstance(outcome, Challenged):
                if not outcome.reason:
                    return Reply(ACCESS_CHALLENGE, outcome.attributes)
                # EAP-MSCHAPv2 tells the peer here that it was wrong, and a guesser goes no
                # further: so this is the reject, to be counted, recorded and delayed as one.
                challenge = outcome.attributes
                outcome = Failed(outcome.method, outcome.reason)
            if isinstance(outcome, Proven):
                if outcome.method != vouched:  # else nothing was proven of the name
                    self._throttle.succeeded(nas.id, calling, guessed, now)
            elif outcome.acknowledges:
                return Reply(ACCESS_REJECT, outcome.attributes, outcome.reason, self._delay_s)
            elif outcome.reason == "password":
                self._throttle.failed(nas.id, calling, guessed, now)
        facts = self._facts(record, found_by, nas, packet, now_s, now, outcome, locked)
        decision = authorize(facts)
        nonce, late = self._nonce(), ""
        if isinstance(decision, Permit):
            assert record is not None
            try:  # before anything is taken or written down: it may be impossible
                service = service_for(decision)
                rendered = self._renderer.rendered(
                    nas.vendor, record.profile_id, record.personal, service, known.templates
                )
                nonce += rendered.fingerprint
                leased = self._lease(nas, record, packet, decision, nonce, now_s)
                proof = outcome.attributes + leased
                octets = self._accept(nas, record, decision, nonce, proof, rendered.octets)
            except NoAddress as error:
                decision, late = Deny("pool-empty", "No address available"), str(error)
            except Unrenderable as error:
                decision, late = Deny("unrenderable", UNRENDERABLE_MESSAGE), str(error)
                self._unlease(record, nonce, now_s)
            else:
                if not facts.session_limit or self._reserve(
                    facts, record, nas, packet, nonce, now_s, now
                ):
                    self._record("accept", packet, nas, calling, record, facts, "", outcome, now_s)
                    return Reply(ACCESS_ACCEPT, octets)
                # Lost the race for the last slot.
                self._unlease(record, nonce, now_s)
                decision = Deny("session-limit", "Too many sessions")
                late = f"limit={facts.session_limit}"
        self._record(
            "reject", packet, nas, calling, record, facts, decision.reason, outcome, now_s, late
        )
        if challenge:
            return Reply(ACCESS_CHALLENGE, challenge, "", self._delay_s)
        return self._reject(packet, decision, outcome)

    def _prove(
        self,
        packet: Packet,
        client: Client,
        nas: NasRecord,
        name: bytes,
        record: SubscriberRecord | None,
        vouched: str,
        now_s: float,
    ) -> Proven | Failed | Challenged:
        credential = None
        if record is not None and record.credential_sealed:
            try:
                credential = open_credential(
                    self._vault, nas.tenant_id, record.id, record.credential_sealed
                )
            except CannotOpen as error:
                log.warning("credential_unreadable", subscriber=record.id, error=str(error))
                if vouched == DEVICE:
                    vouched = ""  # nobody can tell what he would have to prove
        context = ProofContext(
            client.secret.octets, self._random, now_s, self._states, b"%d" % nas.id
        )
        return prove(packet, name, credential, context, vouched)

    def _facts(
        self,
        record: SubscriberRecord | None,
        found_by: str,
        nas: NasRecord,
        packet: Packet,
        now_s: float,
        now: float,
        outcome: Proven | Failed,
        locked: bool,
    ) -> Facts:
        profile, others, mac = None, NOTHING, ""
        if record is not None:
            profile = self._renderer.profile(record.profile_id)
            # Asked for every login: two looks instead of a call.
            if profile is not None and record.id and (profile.session_limit or profile.quota):
                others = self._live.occupied(
                    record.id, self._sessions(record, now_s), _device(nas, packet), now
                )
            if record.bound_macs:
                mac = normalise(packet.first.get(CALLING_STATION_ID) or b"") or ""
        return facts_of(
            record,
            profile,
            int(now_s),
            nas.id,
            mac,
            others,
            locked,
            "proven" if isinstance(outcome, Proven) else "failed",
            outcome.reason if isinstance(outcome, Failed) else "",
            found_by,
        )

    def _reserve(
        self,
        facts: Facts,
        record: SubscriberRecord,
        nas: NasRecord,
        packet: Packet,
        nonce: bytes,
        now_s: float,
        now: float,
    ) -> bool:
        return self._live.reserve(
            record.id,
            _device(nas, packet),
            nonce,
            sessions=self._sessions(record, now_s),
            limit=facts.session_limit,
            kick=facts.at_limit == "kick_oldest",
            now=now,
            until=now + self._settings.reservation_s,
        )

    def _lease(
        self,
        nas: NasRecord,
        record: SubscriberRecord,
        packet: Packet,
        permit: Permit,
        nonce: bytes,
        now_s: float,
    ) -> bytes:
        """The attributes of what he gets from pools of ours; a garden's own pool comes first.

        Raises:
            NoAddress: there is none for him.
        """
        profile = self._renderer.profile(record.profile_id)
        if profile is None or not profile.pools or not record.id:
            return b""
        if permit.walled_by and self._renderer.garden_has_pool:
            return b""
        if self._addresses is None:
            raise NoAddress("this node has no addresses")
        personal = None if permit.walled_by else record.personal
        device = _device(nas, packet)
        return self._addresses.lease(profile.pools, personal, record.id, device, nonce, now_s)

    def _unlease(self, record: SubscriberRecord, nonce: bytes, now_s: float) -> None:
        profile = self._renderer.profile(record.profile_id)
        if profile is not None and profile.pools and self._addresses is not None:
            self._addresses.release(record.id, nonce, now_s, refused=True)

    def _sessions(self, record: SubscriberRecord, now_s: float) -> tuple[LiveSession, ...]:
        """The open ones, as long as the database was heard of lately."""
        is_current = now_s - self._directory.current_at_s <= SESSIONS_TRUSTED_S
        return record.sessions if is_current else ()

    def _accept(
        self,
        nas: NasRecord,
        record: SubscriberRecord,
        permit: Permit,
        nonce: bytes,
        proof_attributes: bytes,
        service_attributes: bytes,
    ) -> bytes:
        timeout_s = permit.session_timeout_s
        if permit.walled_by or not record.id:
            garden_s = self._settings.garden_session_timeout_s
            timeout_s = min(timeout_s, garden_s) if timeout_s else garden_s
        octets = _CLASS_HEADER + b"%016x" % record.id + nonce + proof_attributes
        if timeout_s:
            octets += _SESSION_TIMEOUT_HEADER + _uint32.pack(min(timeout_s, _UINT32_MAX))
        octets += service_attributes
        if permit.limit_octets:
            octets += self._renderer.limits(nas.vendor, record.profile_id, permit.limit_octets)
        if len(octets) > _ACCEPT_OCTETS_MAX:
            raise Unrenderable(f"{len(octets)} octets of attributes: no packet holds them")
        return octets

    def _reject(self, packet: Packet, denial: Deny, outcome: Proven | Failed) -> Reply:
        if packet.has(EAP_MESSAGE):
            # RFC 3579 §2.6.5: no Reply-Message beside EAP-Message.
            attributes = (
                outcome.attributes if isinstance(outcome, Failed) else rejection(packet)
            ) or rejection(packet)
        else:
            attributes = attribute(REPLY_MESSAGE, denial.message.encode())
            if isinstance(outcome, Failed):
                attributes += outcome.attributes
        return Reply(ACCESS_REJECT, attributes, denial.reason, self._delay_s)

    def _record(
        self,
        result: str,
        packet: Packet,
        nas: NasRecord,
        calling: bytes,
        record: SubscriberRecord | None,
        facts: Facts,
        reason: str,
        outcome: Proven | Failed,
        now_s: float,
        late: str = "",
    ) -> None:
        """`late` is what an objection looked at that came after the rules."""
        if not self._decisions.wants(result, facts.now_s):
            return
        steps = trace(facts)
        if late:
            steps[-1] = (_LATE_RULES.get(reason, "reserve"), late, reason)
        name = to_text(packet.first.get(USER_NAME) or b"")
        self._decisions.add(
            DecisionRecord(
                now_s, nas.tenant_id, nas.id, nas.name, name, to_text(calling), result, reason,
                outcome.method, record.id if record is not None else 0, steps,
            )
        )  # fmt: skip
        if reason == "unrenderable":
            log.warning("access_reject", nas=nas.name, user=name, reason=reason, error=late)
        elif result == "reject":
            log.info("access_reject", nas=nas.name, user=name, reason=reason)

    def _nonce(self) -> bytes:
        """Five octets in hex that no other login has; drawn in bulk, a system call costs more.

        The print of the service that is given makes them eight (`enforcement_print`).
        """
        if not self._nonces:
            drawn = self._random(5 * _NONCES_AT_ONCE).hex().encode()
            self._nonces = [drawn[at : at + 10] for at in range(0, len(drawn), 10)]
        return self._nonces.pop()


def _device(nas: NasRecord, packet: Packet) -> bytes:
    first = packet.first
    return device_of(
        nas.id,
        first.get(CALLING_STATION_ID) or b"",
        first.get(NAS_PORT_ID) or b"",
        first.get(NAS_PORT) or b"",
    )
