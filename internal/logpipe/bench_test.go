package logpipe

import (
	"bytes"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkFanIn pushes lines of 120 bytes through a real pipe to /dev/null on
// one core, which also runs the writer of the lines.
func BenchmarkFanIn(b *testing.B) {
	for _, bb := range []struct {
		name   string
		format Format
		chunk  int // lines per write
		line   string
	}{
		{"text", Text, 400, "GET /posts/ 200 "},
		{"json", JSON, 400, "GET /posts/ 200 "},
		{"json-one-per-write", JSON, 1, "GET /posts/ 200 "},
		{"json-object", JSON, 400, `{"level":"INFO","msg":"request","path":"/posts/","status":200,"id":"`},
	} {
		b.Run(bb.name, func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			null, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer null.Close()
			f, err := New(Options{Stdout: null, Stderr: null, Format: bb.format, Overflow: Block})
			if err != nil {
				b.Fatal(err)
			}
			r, w, err := NewPipe()
			if err != nil {
				b.Fatal(err)
			}
			p := f.Attach(Source{Worker: 1, PID: 4242, Generation: 1}, Stdout, r)
			line := []byte(bb.line)
			end := "\n"
			if line[0] == '{' {
				end = "\"}\n"
			}
			line = append(line, bytes.Repeat([]byte{'x'}, 120-len(line)-len(end))...)
			line = append(line, end...)
			lines := bytes.Repeat(line, bb.chunk)

			b.ReportAllocs()
			b.SetBytes(int64(len(line)))
			b.ResetTimer()
			for n := b.N; n > 0; {
				k := min(n, bb.chunk)
				for part := lines[:k*len(line)]; len(part) > 0; {
					m, err := unix.Write(w, part)
					if err != nil {
						b.Fatal(err)
					}
					part = part[m:]
				}
				n -= k
			}
			unix.Close(w)
			<-p.Done()
			if err := f.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
			if s := f.Stats(); s != (Stats{Lines: uint64(b.N)}) {
				b.Fatalf("%d lines written, %+v", b.N, s)
			}
		})
	}
}
