"""Where the role's verification looks for the metrics is where the exporter was told to listen."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

VARS = Path(__file__).parents[3] / "roles/dcgm/vars/main.yml"


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        (":9400", "localhost:9400"),
        ("0.0.0.0:9400", "localhost:9400"),
        ("[::]:9400", "localhost:9400"),
        ("127.0.0.1:9401", "127.0.0.1:9401"),
        ("10.0.0.5:9400", "10.0.0.5:9400"),
        ("[fd00::5]:9400", "[fd00::5]:9400"),
    ],
)
def test_the_metrics_are_read_where_they_are_served(listen: str, address: str) -> None:
    text = trust_as_template(yaml.safe_load(VARS.read_text())["__dcgm_metrics_address"])
    assert Templar(DataLoader(), variables={"dcgm_exporter_listen": listen}).template(text) == address
