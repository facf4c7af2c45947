"""The page's server: what it answers, what it refuses, and what a vote leaves behind."""

import http.client
import json
import re
import socket
import threading
from contextlib import contextmanager

import pandas
import pytest

from feyntune.core.errors import FeynTuneError
from feyntune.playground.server import LARGEST, PageServer
from feyntune.playground.session import Growth
from feyntune.report.ratings import read_ratings

RUNS = ["tiny_base", "ours.v1", "theirs"]
ASKED = {"prompt": "We study the entropy of black holes.", "runs": RUNS[:2], "max_new_tokens": 6}


@contextmanager
def serving(session, votes):
    """A server that answers requests in a thread of its own."""
    with PageServer() as server:
        server.show(session, votes)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def votes(tmp_path_factory):
    return tmp_path_factory.mktemp("votes") / "ratings/votes.csv"


@pytest.fixture(scope="module")
def server(session, votes):
    with serving(session, votes) as server:
        yield server


def ask(server, path, content=None, method="POST", **headers):
    """Send a request; returns status, headers and body."""
    host, port = server.server_address
    connection = http.client.HTTPConnection(host, port, timeout=60)
    body = json.dumps(content).encode() if isinstance(content, dict) else content
    kind = {"Content-Type": "application/json"} if method == "POST" else {}
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, {**kind, **headers})
    answer = connection.getresponse()
    status, received, sent = answer.status, answer.read(), answer.headers
    connection.close()
    return status, sent, received


def complete(server, **changes):
    """Complete; returns the key of the comparison and the finished columns."""
    status, _, body = ask(server, f"{server.prefix}complete", {**ASKED, **changes})
    assert status == 200, body
    first, *events, last = map(json.loads, body.splitlines())
    assert last == {"done": True}, last
    columns = {event["column"]: event for event in events if event["stopped"]}
    assert sorted(columns) == list(range(first["columns"]))
    return first["comparison"], columns


def test_the_page_offers_the_runs_and_runs_nothing_else(server):
    status, headers, body = ask(server, server.prefix, method="GET")
    assert status == 200
    assert re.findall(r'name="run" value="([^"]*)"', body.decode()) == RUNS
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src 'sha256-" in policy and "frame-ancestors 'none'" in policy
    assert headers["Cache-Control"] == "no-store" and headers["Referrer-Policy"] == "no-referrer"


def test_completions_grow_without_the_names_of_the_runs(server, session, votes):
    _, _, body = ask(server, f"{server.prefix}complete", ASKED)
    events = [json.loads(line) for line in body.splitlines()]
    growing = [event for event in events if event.get("column") == 0]
    assert [event["tokens"] for event in growing][:2] == [4, 6]
    assert not any(name in body.decode() for name in RUNS)
    assert not votes.exists()


def test_the_order_is_random(server):
    orders = {tuple(reveal(server, complete(server, max_new_tokens=1)[0])) for _ in range(40)}
    assert orders == {("tiny_base", "ours.v1"), ("ours.v1", "tiny_base")}  # fails once in 2^39 times


def reveal(server, key):
    status, _, body = ask(server, f"{server.prefix}reveal", {"comparison": key})
    assert status == 200
    return json.loads(body)["runs"]


def vote(server, key, better, rater="ann"):
    status, _, body = ask(server, f"{server.prefix}vote", {"comparison": key, "better": better, "rater": rater})
    return status, json.loads(body)


def test_votes_are_ratings(server, votes):
    key, _ = complete(server, seed=1)
    status, answer = vote(server, key, 1)
    assert status == 200 and sorted(answer["runs"]) == sorted(RUNS[:2])
    other, _ = complete(server, seed=2, runs=RUNS, prompt="We show =1+1.")
    assert vote(server, other, None, "=ben")[0] == 200
    ratings = pandas.DataFrame(read_ratings([votes], None))
    assert ratings["score"].tolist() == [0, 10, 5, 5, 5]
    assert ratings["model"].tolist()[:2] == answer["runs"]
    assert ratings["category"].tolist()[:2] == ["Base" if run == "tiny_base" else "LoRA" for run in answer["runs"]]
    assert set(ratings["rater"]) == {"ann", "'=ben"} and ratings["paper"].nunique() == 2
    kept = pandas.read_csv(votes, keep_default_na=False)
    assert kept["prompt"].tolist()[:2] == [ASKED["prompt"]] * 2 and kept["seed"].tolist()[:2] == [1, 1]


def test_a_second_vote_on_the_same_texts_is_refused(server):
    keys = [complete(server, seed=3)[0] for _ in range(3)]
    assert vote(server, keys[0], 0)[0] == 200
    status, answer = vote(server, keys[1], 0)
    assert (status, answer["error"].startswith("you have already voted on these texts")) == (400, True)
    assert vote(server, keys[2], 0, "ben")[0] == 200


def test_after_the_names_nobody_votes(server):
    key, _ = complete(server, seed=4)
    reveal(server, key)
    assert vote(server, key, 0) == (
        400,
        {"error": "the names have been shown: this comparison is no longer blind; complete another prompt"},
    )


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({"comparison": "none", "better": 0, "rater": "ann"}, "this comparison is forgotten"),
        ({"comparison": "none", "better": 0, "rater": " "}, "rater: string should have at least 1 character"),
        ({"comparison": "none", "rater": "ann"}, "better: field required"),
    ],
)
def test_wrong_votes_are_refused(server, content, line):
    status, _, body = ask(server, f"{server.prefix}vote", content)
    assert status == 400 and json.loads(body)["error"].startswith(line)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"runs": []}, "no run is chosen, or one twice"),
        ({"runs": ["tiny_base", "tiny_base"]}, "no run is chosen, or one twice"),
        ({"runs": ["other"]}, "no run is chosen, or one twice"),
        ({"seed": -1}, "seed: input should be greater"),
        ({"more": 1}, "more: extra inputs are not permitted"),
    ],
)
def test_wrong_requests_are_refused(server, changes, line):
    status, _, body = ask(server, f"{server.prefix}complete", {**ASKED, **changes})
    assert status == 400 and json.loads(body)["error"].startswith(line)


@pytest.mark.parametrize(("changes", "line"), [({"prompt": " "}, "no text"), ({"temperature": -1}, "temperature")])
def test_faults_of_a_completion_are_reported(server, changes, line):
    status, _, body = ask(server, f"{server.prefix}complete", {**ASKED, **changes})
    assert status == 200 and line in json.loads(body.splitlines()[-1])["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),  # DNS rebinding: a name of theirs that resolves to the loopback
        ({"Host": "127.0.0.1.evil.example:80"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Content_Type": "text/plain"}, 415),  # what a form of another site could send without asking
        ({"Host": "localhost:9999", "Origin": "http://localhost:9999"}, 400),  # a tunnel; the body is wrong
        ({"Host": "[::1]:80"}, 400),
        ({"Host": "192.0.2.1:80"}, 400),  # an address, not a name that somebody can point elsewhere
        ({"Host": "[::1"}, 403),
    ],
)
def test_requests_that_other_sites_cause_are_refused(server, headers, status):
    assert ask(server, f"{server.prefix}reveal", {"comparison": "none"}, **headers)[0] == status


def test_without_the_secret_there_is_nothing(server):
    for path in ("/", "/complete", f"/x{server.prefix[2:]}", server.prefix[:-1], f"{server.prefix}other"):
        assert ask(server, path, method="GET")[0] == 404
        assert ask(server, path, {})[0] == 404


def test_a_request_that_is_too_large_is_refused(server):
    assert ask(server, f"{server.prefix}complete", b"x" * (LARGEST + 1))[0] == 413


def test_it_listens_on_the_loopback_only(server):
    assert server.server_address[0] == "127.0.0.1"


def test_a_page_that_is_closed_stops_the_completion(server, session, monkeypatch):
    ended = threading.Event()

    def endless(*_):
        try:
            while True:
                yield Growth("tiny_base", "text", 1, None)
        finally:
            ended.set()

    monkeypatch.setattr(session, "complete", endless)
    body = json.dumps({**ASKED, "runs": ["tiny_base"]}).encode()
    with socket.create_connection(server.server_address) as connection:
        head = f"POST {server.prefix}complete HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        connection.recv(1000)
    assert ended.wait(30)
    monkeypatch.undo()
    complete(server)  # the models are free again


def test_a_server_for_the_network_shows_a_name_that_others_can_open():
    with PageServer("0.0.0.0") as server:
        assert server.address == f"http://{socket.getfqdn()}:{server.server_address[1]}{server.prefix}"
        assert {socket.getfqdn(), socket.gethostname(), "localhost"} <= server.hosts


def test_a_port_in_use_is_one_line(server):
    port = server.server_address[1]
    with pytest.raises(FeynTuneError, match=rf"^port {port} of 127.0.0.1 is in use; name another by --port"):
        PageServer(port=port)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("192.0.2.1", 0)])
def test_a_place_that_does_not_exist_is_one_line(host, port):
    with pytest.raises(FeynTuneError, match=rf"^port {port} of {host} cannot be used \(.*\); name another"):
        PageServer(host, port)


def test_another_file_is_not_taken_for_votes(session, tmp_path):
    (tmp_path / "votes.csv").write_text("name,age\n")
    with serving(session, tmp_path / "votes.csv") as server:
        status, answer = vote(server, complete(server)[0], 0)
    assert status == 400 and "a file with other columns" in answer["error"]
    assert (tmp_path / "votes.csv").read_text() == "name,age\n"
