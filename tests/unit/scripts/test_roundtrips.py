"""The count of round trips reads Ansible's log right: a wrong count would hold every bar."""

from __future__ import annotations

from tests.bench.roundtrips import changes, trips

LOG = """\
TASK [gpuforge.node.common : Ensure the distribution is known] *****************
<192.0.2.1> ESTABLISH SSH CONNECTION FOR USER: admin
<192.0.2.1> SSH: EXEC ssh -vvv -C -o ControlMaster=auto 192.0.2.1 '/bin/sh -c '"'"'echo PLATFORM'"'"''
<192.0.2.1> (0, b'PLATFORM\\n', b'SSH: EXEC is only quoted here')
<192.0.2.2> SSH: EXEC ssh -vvv 192.0.2.2 '/bin/sh -c python3'
TASK [one : copy a file] ***
<192.0.2.1> PUT /tmp/a TO /tmp/b
<192.0.2.1> SSH: EXEC sftp -b - -vvv '[192.0.2.1]'
RUNNING HANDLER [one : restart] ****
<192.0.2.1> SSH: EXEC ssh -vvv 192.0.2.1
PLAY RECAP *********************************************************************
cpu-01                     : ok=9    changed=0    unreachable=0    failed=0    skipped=9    rescued=0    ignored=0
cpu-02                     : ok=9    changed=2    unreachable=0    failed=0    skipped=9    rescued=0    ignored=0
cpu-03                     : ok=0    changed=0    unreachable=1    failed=0    skipped=0    rescued=0    ignored=0
"""


def test_every_command_over_the_connection_counts_once() -> None:
    assert list(trips(LOG)) == [
        ("192.0.2.1", "gpuforge.node.common : Ensure the distribution is known"),
        ("192.0.2.2", "gpuforge.node.common : Ensure the distribution is known"),
        ("192.0.2.1", "one : copy a file"),
        ("192.0.2.1", "one : restart"),
    ]


def test_what_changed_or_failed_is_seen() -> None:
    assert changes(LOG) == {"cpu-01": 0, "cpu-02": 2, "cpu-03": -1}
