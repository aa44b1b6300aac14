"""Bursts as the bytes of the NATS protocol."""

import pytest

from mprism.nursery.publication import written


def test_a_message_without_headers_is_a_pub() -> None:
    assert written([("a.b", b"xyz", "", None)]) == b"PUB a.b  3\r\nxyz\r\n"
    assert written([("a.b", b"", "r.1", None)]) == b"PUB a.b r.1 0\r\n\r\n"


def test_a_message_with_headers_tells_the_size_of_both_parts() -> None:
    block = b"NATS/1.0\r\nNats-Msg-Id: x:1\r\nContent-Type: t\r\n\r\n"
    headers = {"Nats-Msg-Id": "x:1", "Content-Type": "t"}
    head = b"HPUB a.b r.1 %d %d\r\n" % (len(block), len(block) + 3)
    assert written([("a.b", b"xyz", "r.1", headers)]) == head + block + b"xyz\r\n"


def test_sizes_are_bytes_not_characters() -> None:
    block = "NATS/1.0\r\nNats-Msg-Id: 测试\r\n\r\n".encode()
    sent = written([("a", "é".encode(), "", {"Nats-Msg-Id": "测试"})])
    assert sent == b"HPUB a  %d %d\r\n" % (len(block), len(block) + 2) + block + "é\r\n".encode()


def test_messages_follow_each_other() -> None:
    one, two = ("a", b"1", "", None), ("b", b"2", "r", {"k": "v"})
    assert written([one, two]) == written([one]) + written([two])


@pytest.mark.parametrize("value", ["x\r\nPUB y 0", "x\ny", "x\ry"])
def test_a_line_break_in_a_header_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        written([("a", b"", "", {"Nats-Msg-Id": value})])
