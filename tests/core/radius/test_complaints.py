"""What the log hears of dropped datagrams, and how seldom."""

from core.radius.complaints import Complaint, Complaints


def test_the_first_is_said_at_once_and_the_next_a_second_later_with_their_number() -> None:
    complaints = Complaints()
    complaints.note("unknown-client", "203.0.113.1")
    assert complaints.due(10.5) == Complaint("unknown-client", "", "203.0.113.1", 1)
    for n in range(100):
        complaints.note("unknown-client", f"203.0.113.{n}")
    assert complaints.due(11.4) is None
    assert complaints.due(11.5) == Complaint("unknown-client", "", "203.0.113.99", 100)
    assert complaints.due(99.0) is None, "nothing is left to say"


def test_everybody_gets_a_turn_whoever_is_loudest() -> None:
    complaints, heard = Complaints(), []
    for now in range(6):
        for _ in range(1_000):
            complaints.note("unknown-client", "203.0.113.1")
        complaints.note("bad-authenticator", "192.0.2.1", 1, "bras-1")
        complaints.note("bad-authenticator", "192.0.2.2", 2, "bras-2")
        heard.append(complaints.due(float(now)))
    said = [(one.nas, one.count) for one in heard if one is not None]
    assert said == [
        ("", 1_000), ("bras-1", 2), ("bras-2", 3), ("", 3_000), ("bras-1", 3), ("bras-2", 3)
    ]  # fmt: skip


def test_a_flood_of_strangers_takes_no_room() -> None:
    complaints = Complaints()
    for n in range(10_000):
        complaints.note("unknown-client", f"10.0.{n >> 8}.{n & 255}")
    assert len(complaints) == 1


def test_all_workers_together_say_one_line_a_second() -> None:
    workers = [Complaints(number, 4) for number in range(4)]
    spoke: list[tuple[int, int]] = []
    for hundredths in range(100_000, 102_000):
        for number, complaints in enumerate(workers):
            complaints.note("unknown-client", "203.0.113.1")
            if complaints.due(hundredths / 100) is not None:
                spoke.append((hundredths // 100, number))
    assert [second for second, _ in spoke] == list(range(1_000, 1_020))
    assert {number for _, number in spoke} == {0, 1, 2, 3}
