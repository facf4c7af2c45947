"""config/README.md explains the keys as the code has them."""

import subprocess
import sys

from support.workspace import PROJECT


def test_the_page_is_as_the_program_writes_it(tmp_path):
    page = tmp_path / "README.md"
    page.write_text((PROJECT / "config/README.md").read_text())
    command = [sys.executable, PROJECT / "scripts/describe_configuration.py", "--page", page]
    subprocess.run(command, check=True)
    assert page.read_text() == (PROJECT / "config/README.md").read_text(), "run scripts/describe_configuration.py"
