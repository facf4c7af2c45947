"""Secrets come from the environment, from .env or from the hub's own store; faults are one line without the secret."""

import pytest

from feyntune.core import secrets
from feyntune.core.errors import FeynTuneError
from feyntune.core.secrets import HUB, WANDB, read_secret, require_secret
from support.workspace import PROJECT

SECRET = "hf_0123456789abcdef"


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (*HUB, *WANDB, "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_RESOURCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "stored"))
    secrets._warn_of_readers.cache_clear()


def write_dotenv(folder, content):
    """Write ``.env`` as its owner's alone."""
    path = folder / ".env"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o600)


def fault(names):
    """The message of the error that reading raises: one line of at most 200 characters, without the secret."""
    with pytest.raises(FeynTuneError) as caught:
        read_secret(names)
    message = str(caught.value)
    assert len(message) <= 200 and "\n" not in message and SECRET not in message
    assert (caught.value.__cause__ is None and caught.value.__suppress_context__) or caught.value.__context__ is None
    return message


def test_no_token_is_none():
    assert read_secret(HUB) is None


@pytest.mark.parametrize(
    "content",
    [
        "HF_TOKEN=abc",
        "HUGGINGFACE_API_KEY='abc'",
        '# note\nHF_TOKEN = "abc"\n',
        "HF_TOKEN=abc  # from the settings of the hub\n",
        "export HF_TOKEN=abc\n",
        b"\xef\xbb\xbfHF_TOKEN=abc\r\n",
        "OTHER=1\r\nHF_TOKEN=abc \t\r\nMORE=2\r\n",
        'HF_TOKEN="abc\n"\n',
        "a line that is none\nHF_TOKEN=abc\n",
    ],
)
def test_the_token_may_stand_in_dotenv(tmp_path, content, capsys):
    write_dotenv(tmp_path, content)
    assert read_secret(HUB) == "abc"
    assert capsys.readouterr().out == ""


def test_the_environment_wins_over_dotenv(tmp_path, monkeypatch):
    write_dotenv(tmp_path, "HF_TOKEN=file")
    monkeypatch.setenv("HUGGINGFACE_API_KEY", "environment")
    assert read_secret(HUB) == "environment"


def test_a_value_that_is_empty_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", " \r\n")
    write_dotenv(tmp_path, "HF_TOKEN=\nWANDB_API_KEY\nexport HUGGINGFACE_API_KEY=abc\n")
    assert read_secret(HUB) == "abc"
    assert read_secret(WANDB) is None


@pytest.mark.parametrize("written", [f"{SECRET}\r", f"{SECRET}\n", f"{SECRET}\r\n", f" {SECRET} ", f"\t{SECRET}"])
def test_blanks_and_line_ends_around_a_token_are_removed(monkeypatch, written):
    monkeypatch.setenv("HF_TOKEN", written)
    assert require_secret(HUB, "push") == SECRET


@pytest.mark.parametrize("written", [f"{SECRET}\n{SECRET}", f"{SECRET} {SECRET}", f"{SECRET}é", f"{SECRET}\udcff"])
def test_a_token_that_no_header_can_hold_is_refused_by_name(monkeypatch, written):
    monkeypatch.setenv("HF_TOKEN", written)
    assert fault(HUB).startswith("HF_TOKEN in the environment holds a character that no token has")


@pytest.mark.parametrize("written", [f"{SECRET}\0", f'"{SECRET}\nOTHER=1"', f"{SECRET}\u200b"])
def test_a_broken_token_in_dotenv_is_refused_by_name(tmp_path, written):
    write_dotenv(tmp_path, f"WANDB_API_KEY={written}\n")
    assert fault(WANDB).startswith("WANDB_API_KEY in .env holds a character that no token has")


def test_nothing_in_dotenv_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME_TOKEN", "wrong")
    write_dotenv(tmp_path, "HF_TOKEN=a${HOME_TOKEN}$HOME_TOKEN\n")
    assert read_secret(HUB) == "a${HOME_TOKEN}$HOME_TOKEN"


@pytest.mark.parametrize(
    "content",
    [
        *(f"HF_TOKEN={SECRET}\n".encode(encoding) for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")),
        f"# é\nHF_TOKEN={SECRET}\n".encode("latin-1"),
    ],
)
def test_a_dotenv_in_another_encoding_is_reported(tmp_path, content):
    write_dotenv(tmp_path, content)
    assert fault(HUB) == ".env: not UTF-8; save it as UTF-8 (Windows editors may write UTF-16)"


def test_a_dotenv_that_cannot_be_read_is_reported(tmp_path):
    (tmp_path / ".env").mkdir()
    assert fault(HUB) == ".env: cannot be read (Is a directory); correct it or remove it"


def test_a_dotenv_is_not_read_where_the_environment_has_the_secret(tmp_path, monkeypatch):
    write_dotenv(tmp_path, "HF_TOKEN=abc".encode("utf-16"))
    monkeypatch.setenv("HF_TOKEN", SECRET)
    assert read_secret(HUB) == SECRET


def test_a_dotenv_that_everybody_can_read_gives_one_warning(tmp_path, capsys):
    write_dotenv(tmp_path, f"HF_TOKEN={SECRET}\n")
    (tmp_path / ".env").chmod(0o644)
    assert [read_secret(HUB), read_secret(HUB)] == [SECRET, SECRET]
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("warning: all users of this machine can read .env; run `chmod 600 .env`")


def test_the_token_that_hf_auth_login_stored_comes_last_and_is_for_the_hub_alone(tmp_path):
    (tmp_path / "stored").write_text(f"{SECRET}\n")
    assert read_secret(HUB) == SECRET
    assert read_secret(WANDB) is None
    write_dotenv(tmp_path, "HUGGINGFACE_API_KEY=abc\n")
    assert read_secret(HUB) == "abc"


def test_a_stored_token_that_cannot_be_read_is_reported(tmp_path):
    (tmp_path / "stored").mkdir()
    line = "the hub's stored token cannot be read (IsADirectoryError); set HF_TOKEN, or run `hf auth login` again"
    assert fault(HUB) == line


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (HUB, "rule r needs HF_TOKEN in the environment or in .env; get it at https://huggingface.co/settings/tokens"),
        (WANDB, "rule r needs WANDB_API_KEY in the environment or in .env; get it at https://wandb.ai/authorize"),
    ],
)
def test_a_missing_one_is_reported_with_its_rule_and_where_to_get_it(names, line):
    with pytest.raises(FeynTuneError) as caught:
        require_secret(names, "r")
    assert str(caught.value) == line


def test_git_ignores_the_file_with_secrets_and_keeps_the_example():
    ignored = (PROJECT / ".gitignore").read_text().splitlines()
    assert ".env" in ignored and ignored.index("!.env.example") > ignored.index(".env")
    example = (PROJECT / ".env.example").read_text().splitlines()
    assert all(line.startswith("#") for line in example)
    assert {name for name in (*HUB, *WANDB) if any(name in line for line in example)} >= {"HF_TOKEN", "WANDB_API_KEY"}
