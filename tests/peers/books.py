"""What Turnpike knows of the sessions of one NAS, asked as an operator asks."""

import json
from dataclasses import dataclass
from typing import Any

from core.secret import Secret
from nas_adapters.base import SessionRef, Step, Vendor
from nas_adapters.coa import CoaTarget
from tests.serving import SECRET, Turnpike, eventually

WITHIN_S = 60.0  # a command takes its time on a busy machine

Session = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Books:
    """Of the NAS of this name, which listens for CoA out here at `address` and `coa_port`."""

    isp: Turnpike
    nas: str
    address: str
    coa_port: int

    @property
    def target(self) -> CoaTarget:
        return CoaTarget(self.address, self.coa_port, Secret(SECRET.encode()))

    def online(self) -> list[Session]:
        """As they are listed."""
        found = self.isp.command("session", "list", "--open", "--nas", self.nas, "--json")
        return list(json.loads(found))

    def session(self, *, lasts_s: int = 0) -> Session:
        """All that is known of the one that is open, once it is reported to last so long."""
        found: list[Session] = []

        def is_known() -> bool:
            found[:] = self.online()
            return bool(found) and found[0]["session_time_s"] >= lasts_s

        eventually(is_known, WITHIN_S, lambda: f"{found}")
        [one] = found
        return self._known(one["id"])

    def ended(self, session: Session) -> Session:
        """All that is known of it once it is over."""
        found: Session = {}

        def is_over() -> bool:
            found.update(self._known(session["id"]))
            return found["stopped_at"] is not None

        eventually(is_over, WITHIN_S, lambda: f"{found}")
        return found

    def _known(self, session_id: int) -> Session:
        return dict(json.loads(self.isp.command("session", "show", str(session_id), "--json")))


def ending(vendor: Vendor, session: Session) -> Step:
    """What the dialect says to end it."""
    step = vendor.disconnect(
        SessionRef(
            acct_session_id=session["acct_session_id"],
            user_name=session["username"],
            framed_ip=session["framed_ip"] or "",
            calling_station=session["calling_station"] or "",
            multi_session_id=session["multi_session_id"] or "",
            nas_identifier=session["nas_identifier"],
            nas_address=session["nas_ip_address"],
        )
    )
    assert isinstance(step, Step)
    return step
