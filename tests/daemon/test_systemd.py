"""What systemd hears, on a socket as it gives one."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from orchestrator.daemon import systemd


def test_it_is_told_on_its_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.settimeout(5)
        line.bind(str(tmp_path / "notify"))
        monkeypatch.setenv(systemd.NOTIFY, str(tmp_path / "notify"))
        systemd.tell("READY=1", "STATUS=watching plans")
        assert line.recv(4096) == b"READY=1\nSTATUS=watching plans"


def test_a_socket_without_a_file_is_told_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    name = f"orchestrator-test-{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.settimeout(5)
        line.bind("\0" + name)
        monkeypatch.setenv(systemd.NOTIFY, "@" + name)
        systemd.tell("STOPPING=1")
        assert line.recv(4096) == b"STOPPING=1"


def test_where_nobody_listens_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(systemd.NOTIFY, raising=False)
    systemd.tell("READY=1")
    monkeypatch.setenv(systemd.NOTIFY, str(tmp_path / "nobody"))
    systemd.tell("READY=1")


@pytest.mark.parametrize(
    ("asked", "pulse"), [("30000000", 15.0), ("0", None), ("", None), ("soon", None)]
)
def test_it_hears_twice_as_often_as_it_asks(
    asked: str, pulse: float | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(systemd.WATCHDOG, asked)
    assert systemd.pulse_s() == pulse
    monkeypatch.delenv(systemd.WATCHDOG)
    assert systemd.pulse_s() is None


def test_it_is_not_asked_for_another_process(monkeypatch: pytest.MonkeyPatch):
    """A worker that we start, or a shell between, has our environment and not our life."""
    monkeypatch.setenv(systemd.WATCHDOG, "30000000")
    monkeypatch.setenv(systemd.WATCHED, "1")
    assert systemd.pulse_s() is None
