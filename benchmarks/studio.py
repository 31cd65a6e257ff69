"""Many clients at one studio: is every job answered, in what order, in what memory? And how soon is the first loop there?

    python benchmarks/studio.py MODEL [--clients 50] [--loops 2] [--out studio.json]

Starts a studio of its own (another process, a fresh library), warms it up, measures one client alone, then all at once. Each
of the many asks for loops, follows the events, fetches the first loop's audio, and comes again when told to (Retry-After).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx


def memory_mb(pid: int) -> tuple[float, float]:
    """Resident memory now and at its highest, of a Linux process."""
    text = Path(f"/proc/{pid}/status").read_text()
    now, top = (float(re.search(rf"{key}:\s+(\d+)", text)[1]) / 1024 for key in ("VmRSS", "VmHWM"))  # type: ignore[index]
    return now, top


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def one(client: httpx.AsyncClient, name: str, wish: dict[str, Any]) -> dict[str, Any]:
    """A client's whole visit: seconds to its first and last loop, refusals met on the way."""
    began = time.perf_counter()
    refused: list[int] = []
    headers = {"x-loopwright-client": name}
    while True:
        answer = await client.post("/api/jobs", json=wish, headers=headers)
        if answer.status_code == 202:
            break
        assert answer.status_code in (429, 503), answer.text
        refused.append(answer.status_code)
        await asyncio.sleep(float(answer.headers["retry-after"]))
    path = answer.headers["location"]
    first = None
    state = ""
    async with client.stream("GET", f"{path}/events") as stream:
        async for line in stream.aiter_lines():
            if not line.startswith("data: "):
                continue
            event = json.loads(line[6:])
            state = event["job"]["state"]
            if event.get("type") == "loop" and first is None:
                audio = await client.get(f"/api/loops/{event['loop']['id']}/audio.wav")
                assert audio.status_code == 200
                assert len(audio.content) > 44
                first = time.perf_counter() - began
    job = (await client.get(path)).json()
    return {"first": first, "last": time.perf_counter() - began, "state": state, "loops": len(job["loops"]), "refused": refused}


async def measure(url: str, pid: int, clients: int, loops: int, model: str) -> dict[str, Any]:
    limits = httpx.Limits(max_connections=4 * clients)
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits) as client:
        while (await client.get("/health")).json()["jobs"]:
            await asyncio.sleep(0.1)
        wish = {"kind": "generate", "model": model, "count": 1, "bpm": 120}
        alone = []
        for seed in range(5):
            before = cpu_s(pid)
            visit = await one(client, "alone", {**wish, "seed": 10_000 + seed})
            alone.append({"first_s": round(visit["first"], 3), "cpu_s": round(cpu_s(pid) - before, 3)})
        rest = memory_mb(pid)[0]
        before, began = cpu_s(pid), time.perf_counter()
        work = [one(client, f"c{i}", {**wish, "count": loops, "seed": 100 * i}) for i in range(clients)]
        visits = await asyncio.gather(*work)
        seconds, spent = time.perf_counter() - began, cpu_s(pid) - before
    firsts = sorted(v["first"] for v in visits if v["first"] is not None)
    lasts = sorted(v["last"] for v in visits)
    return {
        "clients": clients,
        "loops_each": loops,
        "alone": alone,
        "done": sum(v["state"] == "done" and v["loops"] == loops for v in visits),
        "refused_then_served": sum(bool(v["refused"]) for v in visits),
        "first_loop_s": [round(firsts[i], 2) for i in (0, len(firsts) // 2, -1)],
        "all_loops_s": [round(lasts[i], 2) for i in (0, len(lasts) // 2, -1)],
        # in fair order nobody has the second loop before all have the first
        "latest_first_before_earliest_last": firsts[-1] <= lasts[0] + seconds / (clients * loops) * 2,
        "wall_s": round(seconds, 1),
        "cpu_s_per_loop": round(spent / (clients * loops), 3),
        "memory_mb": {"before": round(rest), "after": round(memory_mb(pid)[0]), "highest": round(memory_mb(pid)[1])},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--loops", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as library:
        code = "from loopwright.cli import main; main()"
        command = [sys.executable, "-c", code, "studio", args.model, "--port", "0", "--no-open", "--library", library]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        try:
            url = re.search(r"http://\S+", server.stdout.readline())[0].rstrip("/")  # type: ignore[index]
            models = httpx.get(f"{url}/api/models", timeout=60).json()["models"]
            result = asyncio.run(measure(url, server.pid, args.clients, args.loops, models[0]["key"]))
        finally:
            server.terminate()
            server.wait(20)
    print(json.dumps(result, indent=2))
    if args.out:
        args.out.write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(result["done"] != args.clients)


if __name__ == "__main__":
    main()
