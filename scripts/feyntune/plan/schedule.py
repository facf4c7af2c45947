"""How long everything takes together, when so many jobs may run side by side."""

import heapq


def wall_seconds(jobs, seconds, offered):
    """Wall time of all jobs by a list schedule: a job begins as soon as what it needs is made and there is room.

    Args:
        jobs: ``jobs.Job`` by key.
        seconds: seconds by key of those that run; others are made already.
        offered: dict of ``jobs``, ``cores`` and ``gpu`` at a time; None is no limit.

    Returns:
        Seconds until the last job ends. What asks for more than is offered runs alone.
    """
    waiting = {key: {need for need in jobs[key].needs if need in seconds} for key in seconds}
    followers = {}
    for key, needs in waiting.items():
        for need in needs:
            followers.setdefault(need, []).append(key)
    ready = [key for key in seconds if not waiting[key]]
    running, now = [], 0.0
    while ready or running:
        ready = _begin(jobs, seconds, offered, ready, running, now)
        now, ended = heapq.heappop(running)
        for key in followers.get(ended, []):
            waiting[key].discard(ended)
            if not waiting[key]:
                ready.append(key)
    return now


def _begin(jobs, seconds, offered, ready, running, now):
    """Start what there is room for, in order; returns what still waits."""
    held = {"jobs": len(running), "cores": 0, "gpu": 0}
    for _, key in running:
        held["cores"] += jobs[key].threads
        held["gpu"] += jobs[key].gpu
    left = []
    for place, key in enumerate(ready):
        if any(offered[name] is not None and held[name] >= offered[name] for name in ("jobs", "cores")):
            return left + ready[place:]
        asked = {"jobs": 1, "cores": jobs[key].threads, "gpu": jobs[key].gpu}
        fits = all(limit is None or held[name] + asked[name] <= limit for name, limit in offered.items())
        if fits or not running:
            heapq.heappush(running, (now + seconds[key], key))
            held = {name: held[name] + asked[name] for name in held}
        else:
            left.append(key)
    return left
