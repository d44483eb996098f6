package logpipe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The journal takes datagrams of fields, one record each. In a lane's queue a
// record is one line like everywhere: the datagram with newlines escaped. The
// message comes last.
const (
	journalSocket = "/run/systemd/journal/socket"
	journalHead   = "SYSLOG_IDENTIFIER=tandem\n"
	// journalPatience is how long the journal may take nothing before its records
	// go to stderr, journalRetry how long it is tried from then on.
	journalPatience = 5 * time.Second
	journalRetry    = 20 * time.Millisecond

	escape        = '\x10'
	escapeNewline = 'n'
	escapeEscape  = 'e'
)

// Priorities of syslog.
const (
	priCrit    = 2
	priError   = 3
	priWarning = 4
	priInfo    = 6
	priDebug   = 7
)

// journalWriter is the sink that is the journal. Its Write takes lines of a
// lane's queue.
type journalWriter struct {
	path     string
	fallback io.Writer // takes text while the journal does not work

	// The writer's own.
	payload, text []byte
	down          bool // it does not work, and that has been said
	fell          int  // records that went to the fallback since

	mu   sync.Mutex // for the connection's deadline, which others may set
	conn *net.UnixConn
	off  bool // writes are to end at once
}

func (j *journalWriter) Write(lines []byte) (n int, err error) {
	working := j.connect() == nil
	for n < len(lines) {
		end := n + bytes.IndexByte(lines[n:], '\n')
		j.payload = unescape(j.payload[:0], lines[n:end])
		if working {
			err := j.send(j.payload)
			if errors.Is(err, os.ErrDeadlineExceeded) && j.calledOff() {
				return n, err
			}
			if working = err == nil; err != nil {
				j.fail(err)
			}
		}
		if !working {
			if err := j.fall(); err != nil {
				return n, err
			}
		}
		n = end + 1
	}
	return n, nil
}

// connect makes a connection where there is none.
func (j *journalWriter) connect() error {
	j.mu.Lock()
	open := j.conn != nil
	j.mu.Unlock()
	if open {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: j.path, Net: "unixgram"})
	if err != nil {
		j.fail(err)
		return err
	}
	_ = conn.SetWriteBuffer(8 << 20) // as far as the system allows
	j.mu.Lock()
	j.conn = conn
	j.mu.Unlock()
	return nil
}

// fail says, once, that the journal does not work.
func (j *journalWriter) fail(err error) {
	j.mu.Lock()
	if j.conn != nil {
		j.conn.Close()
		j.conn = nil
	}
	j.mu.Unlock()
	if !j.down {
		j.down = true
		_, _ = fmt.Fprintf(j.fallback, "supervisor: cannot write the log to the journal: %s; it goes to stderr as text until that works again\n", reason(err))
	}
}

// fall writes the record as text instead.
func (j *journalWriter) fall() error {
	j.text = journalText(j.text[:0], j.payload, time.Now())
	_, err := j.fallback.Write(j.text)
	if err == nil {
		j.fell++
	}
	return err
}

func (j *journalWriter) send(payload []byte) error {
	if j.down {
		var note []byte
		note = appendJournal(note, priWarning, "", fmt.Appendf(nil, "the journal works again; %d records went to stderr meanwhile", j.fell))
		if err := j.sendOne(note, journalRetry); err != nil {
			return err
		}
		j.down, j.fell = false, 0
	}
	return j.sendOne(payload, journalPatience)
}

// sendOne sends a record in a datagram, or in a sealed file if it is too long
// for one.
func (j *journalWriter) sendOne(payload []byte, patience time.Duration) error {
	conn := j.arm(patience)
	_, err := conn.Write(payload)
	if !errors.Is(err, unix.EMSGSIZE) && !errors.Is(err, unix.ENOBUFS) {
		return err
	}
	fd, err := sealed(payload)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, _, err = conn.WriteMsgUnix(nil, unix.UnixRights(fd), nil)
	return err
}

// sealed is a memory file that cannot be changed any more, which the journal
// insists on.
func sealed(b []byte) (int, error) {
	fd, err := unix.MemfdCreate("tandem-journal", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, fmt.Errorf("make a memory file for a long record: %w", err)
	}
	for err == nil && len(b) > 0 {
		n := 0
		n, err = unix.Write(fd, b)
		b = b[max(n, 0):]
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE|unix.F_SEAL_SEAL)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("fill a memory file for a long record: %w", err)
	}
	return fd, nil
}

// arm bounds the next write, unless writes have been called off.
func (j *journalWriter) arm(patience time.Duration) *net.UnixConn {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := time.Now().Add(patience)
	if j.off {
		at = time.Unix(1, 0)
	}
	_ = j.conn.SetWriteDeadline(at)
	return j.conn
}

func (j *journalWriter) calledOff() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.off
}

// SetWriteDeadline calls writes off, if t is past, or allows them again, if it
// is zero: what a sink does with it.
func (j *journalWriter) SetWriteDeadline(t time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.off = !t.IsZero()
	if j.conn == nil {
		return nil
	}
	return j.conn.SetWriteDeadline(t)
}

func (j *journalWriter) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.conn == nil {
		return nil
	}
	err := j.conn.Close()
	j.conn = nil
	return err
}

// isJournal tells whether w is the stream that systemd says is the journal's:
// the value of $JOURNAL_STREAM, "device:inode".
func isJournal(w io.Writer, stream string) bool {
	id, ok := identity(w)
	return ok && stream != "" && stream == fmt.Sprintf("%d:%d", id[0], id[1])
}

// journalPriority is a record's of the supervisor.
func journalPriority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return priError
	case l >= slog.LevelWarn:
		return priWarning
	case l >= slog.LevelInfo:
		return priInfo
	}
	return priDebug
}

// journalFields are what is the same in all records of a stream. OBJECT_PID
// makes a journal that trusts us add what it knows of that process.
func journalFields(src Source, s Stream) string {
	return fmt.Sprintf("TANDEM_WORKER=%d\nTANDEM_PID=%[2]d\nOBJECT_PID=%[2]d\nTANDEM_GENERATION=%[3]d\nTANDEM_STREAM=%[4]s\n",
		src.Worker, src.PID, src.Generation, s)
}

// journal appends a worker's record as it waits in the queue.
func (f *formatter) journal(dst []byte, l line, crashed bool) []byte {
	priority, text := priInfo, l.text
	if crashed {
		priority = priCrit
	} else if len(text) > 2 && text[0] == '<' && '0' <= text[1] && text[1] <= '7' && text[2] == '>' && l.part < 2 {
		// As systemd itself does with what services print (SyslogLevelPrefix=).
		priority, text = int(text[1]-'0'), text[3:]
	}
	fields := f.source
	if crashed {
		fields += "TANDEM_KIND=panic\n"
	}
	if l.partial {
		fields += "TANDEM_PARTIAL=1\n"
	}
	if l.part > 0 {
		fields += "TANDEM_PART=" + strconv.Itoa(l.part) + "\n"
	}
	f.scratch = appendJournal(f.scratch[:0], priority, fields, text)
	return append(escaped(dst, f.scratch), '\n')
}

// appendJournal appends a datagram.
func appendJournal(dst []byte, priority int, fields string, message []byte) []byte {
	dst = append(dst, "PRIORITY="...)
	dst = strconv.AppendInt(dst, int64(priority), 10)
	dst = append(append(append(dst, '\n'), journalHead...), fields...)
	dst = append(dst, "MESSAGE\n"...) // with its length: it may have newlines
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(message)))
	return append(append(dst, message...), '\n')
}

func escaped(dst, b []byte) []byte {
	for _, c := range b {
		switch c {
		case '\n':
			dst = append(dst, escape, escapeNewline)
		case escape:
			dst = append(dst, escape, escapeEscape)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func unescape(dst, b []byte) []byte {
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == escape && i+1 < len(b) {
			i++
			if c = escape; b[i] == escapeNewline {
				c = '\n'
			}
		}
		dst = append(dst, c)
	}
	return dst
}

// journalText is a datagram in the text form of the log.
func journalText(dst, payload []byte, now time.Time) []byte {
	head, rest, ok := bytes.Cut(payload, []byte("\nMESSAGE\n"))
	if !ok || len(rest) < 9 {
		return append(append(dst, payload...), '\n')
	}
	message := rest[8 : len(rest)-1]
	field := func(name string) string {
		_, after, _ := bytes.Cut(head, []byte("\n"+name+"="))
		value, _, _ := bytes.Cut(after, []byte("\n"))
		return string(value)
	}
	number := func(name string) int {
		n, _ := strconv.Atoi(field(name))
		return n
	}
	worker := number("TANDEM_WORKER")
	if worker == 0 {
		priority, _ := strconv.Atoi(string(bytes.TrimPrefix(head[:min(len(head), len("PRIORITY=0"))], []byte("PRIORITY="))))
		level := map[int]slog.Level{priError: slog.LevelError, priWarning: slog.LevelWarn, priDebug: slog.LevelDebug}[priority]
		r := ownRecord{at: now, level: level, text: message}
		return append(dst, r.format(Text)...)
	}
	stream := Stdout
	if field("TANDEM_STREAM") == Stderr.String() {
		stream = Stderr
	}
	f := newFormatter(Text, Source{Worker: uint64(worker), PID: number("TANDEM_PID"), Generation: number("TANDEM_GENERATION")}, stream)
	f.at(now)
	return f.append(dst, line{text: message, part: number("TANDEM_PART"), partial: field("TANDEM_PARTIAL") != ""}, field("TANDEM_KIND") != "")
}
