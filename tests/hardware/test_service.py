"""The systemd unit, read as systemd reads it."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hawklet_hardware.service import Scope, unit_text

PREFIX = Path("/home/pi/.local/share/hawklet")


def section(scope: Scope, name: str, prefix: Path = PREFIX) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # keys keep their capitals
    parser.read_string(unit_text(scope, prefix, "pi"))
    return dict(parser[name])


@pytest.mark.parametrize("scope", Scope)
def test_it_starts_whatever_is_current_and_starts_it_again(scope: Scope) -> None:
    service = section(scope, "Service")
    assert service["ExecStart"] == f'/bin/sh "{PREFIX}/current/start"'
    assert service["WorkingDirectory"] == f"{PREFIX}/data"
    assert service["Restart"] == "always"
    assert service["NoNewPrivileges"] == "yes"


def test_a_system_unit_runs_as_the_account_and_is_confined() -> None:
    service = section(Scope.SYSTEM, "Service")
    assert service["User"] == "pi"
    assert service["ProtectSystem"] == "strict"
    assert service["ReadWritePaths"] == f'"{PREFIX}/data"'
    assert section(Scope.SYSTEM, "Install")["WantedBy"] == "multi-user.target"


@pytest.mark.parametrize("scope", Scope)
def test_cameras_and_gpio_stay_reachable(scope: Scope) -> None:
    # Each of these closes /dev, and with it /dev/video0 and /dev/gpiochip0.
    assert not {"PrivateDevices", "ProtectClock", "DevicePolicy", "DeviceAllow"} & set(section(scope, "Service"))


def test_a_user_unit_asks_for_nothing_that_needs_root() -> None:
    service = section(Scope.USER, "Service")
    assert "User" not in service and "CapabilityBoundingSet" not in service
    assert section(Scope.USER, "Install")["WantedBy"] == "default.target"


def test_odd_characters_in_the_folder_are_escaped_as_systemd_wants() -> None:
    service = section(Scope.USER, "Service", Path('/srv/a "b" $c 100%'))
    assert service["ExecStart"] == '/bin/sh "/srv/a \\"b\\" $$c 100%%/current/start"'
    assert service["WorkingDirectory"] == '/srv/a "b" $c 100%%/data'


@pytest.mark.parametrize("scope", Scope)
def test_systemd_itself_finds_nothing_to_complain_about(scope: Scope, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze (Debian: systemd), which is not here")
    (tmp_path / "hawklet.service").write_text(unit_text(scope, tmp_path / "a folder", "root"))
    command = ["systemd-analyze", f"--{scope.value}", "verify", "--man=no", str(tmp_path / "hawklet.service")]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}  # without it there is no manager of a user
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    complaints = [line for line in done.stderr.splitlines() if "hawklet.service" in line]
    if not complaints and done.returncode:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()[:200]}")
    assert complaints == []
