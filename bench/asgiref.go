package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
)

// asgirefScript times asgiref's crossings and prints {"what": [µs, …]}, the
// least of five series each, so often.
const asgirefScript = `
import asyncio, json, sys, time
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async

reps, n = int(sys.argv[1]), 300
out = {}

def nothing():
    pass

async def anothing():
    pass

async def best(f):
    least = None
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(n):
            await f()
        took = (time.perf_counter() - start) / n * 1e6
        least = took if least is None else min(least, took)
    return least

sensitive = sync_to_async(nothing, thread_sensitive=True)
free = sync_to_async(nothing, thread_sensitive=False)

async def scoped():
    async with ThreadSensitiveContext():
        await sensitive()

async def main():
    for what, f in (("sync_to_async, thread-sensitive", sensitive), ("sync_to_async, any thread", free),
                    ("ThreadSensitiveContext and one call, as for each Django request", scoped)):
        out.setdefault(what, []).append(await best(f))

for _ in range(reps):
    asyncio.run(main())
    call = async_to_sync(anothing)
    least = None
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(n // 10):
            call()
        took = (time.perf_counter() - start) / (n // 10) * 1e6
        least = took if least is None else min(least, took)
    out.setdefault("async_to_sync from plain sync code", []).append(least)
import asgiref
print(json.dumps({"version": asgiref.__version__, "python": sys.version.split()[0], "took": out}))
`

// asgiref times the crossings of the library whose place bridge has.
func asgiref(ctx context.Context, o options, r *report) error {
	if exec.CommandContext(ctx, python, "-c", "import asgiref").Run() != nil {
		r.text("%v.", &notInstalled{"asgiref", "python3-asgiref"})
		return nil
	}
	cmd := exec.CommandContext(ctx, python, "-c", asgirefScript, fmt.Sprint(o.reps))
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	printed, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("time asgiref: %w: %s", err, complaint.String())
	}
	var got struct {
		Version, Python string
		Took            map[string]sample
	}
	if err := json.Unmarshal(printed, &got); err != nil {
		return fmt.Errorf("time asgiref: it printed %q: %w", printed, err)
	}
	if len(got.Took) == 0 {
		return errors.New("time asgiref: it printed no figure")
	}
	r.text("asgiref %s on Python %s, the least of five series of calls, %d times. Beside bridge's of the table before: an inline permit hands over to no thread, a pinned frame does.", got.Version, got.Python, o.reps)
	rows := [][]string{{"crossing of asgiref", "µs"}}
	for _, what := range slices.Sorted(maps.Keys(got.Took)) {
		rows = append(rows, []string{what, got.Took[what].show("%.0f")})
	}
	r.table(rows)
	return nil
}
