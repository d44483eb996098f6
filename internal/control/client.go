package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/postmortem"
)

const maxAnswer = 16 << 20

// Client asks a supervisor over its control socket. It holds nothing open
// between calls, but for one of [NewKeptClient], and may be used from many
// goroutines.
type Client struct {
	path string
	http http.Client
}

// NewClient gives a client of the socket at path. It does not connect yet.
func NewClient(path string) *Client {
	c := &Client{path: path}
	c.http.Transport = &http.Transport{DialContext: c.dial, DisableKeepAlives: true}
	return c
}

// NewKeptClient gives a client that keeps its connection between calls, for who
// asks several times a second. The supervisor may close it whenever it is idle, and
// does so in an upgrade; the next call makes another. The caller calls Close.
func NewKeptClient(path string) *Client {
	c := &Client{path: path}
	c.http.Transport = &http.Transport{DialContext: c.dial, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute}
	return c
}

// Close closes connections that are kept and idle. The client stays usable.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Path is the path of the socket.
func (c *Client) Path() string { return c.path }

// RefusedError is a supervisor's answer that it will not do what was asked.
type RefusedError struct {
	Code int // of HTTP
	Text string
}

func (e *RefusedError) Error() string { return e.Text }

// Status asks for a snapshot.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, http.MethodGet, "/v1/status", nil)
}

// Reload asks for a reload. With wait it returns when the roll has ended, one way
// or the other, which the supervisor bounds by its reload timeout (twice that,
// when another reload is under way). A reload that was undone is a result, not an
// error.
func (c *Client) Reload(ctx context.Context, wait bool) (ReloadResult, error) {
	path := "/v1/reload"
	if wait {
		path += "?wait=1"
	}
	return call[ReloadResult](ctx, c, http.MethodPost, path, nil)
}

// Scale sets the number of workers. It returns when the supervisor has accepted.
func (c *Client) Scale(ctx context.Context, n int) error {
	_, err := call[scaleBody](ctx, c, http.MethodPost, "/v1/scale", scaleBody{&n})
	return err
}

// Stop asks for a graceful stop, or with now for a quick one. It returns when the
// supervisor has accepted, not when it has ended.
func (c *Client) Stop(ctx context.Context, now bool) error {
	_, err := call[stopBody](ctx, c, http.MethodPost, "/v1/stop", stopBody{now})
	return err
}

// Peer connects, and gives the process that answers; 0 where the kernel does not
// say, as across pid namespaces.
func (c *Client) Peer(ctx context.Context) (pid int, err error) {
	conn, err := c.dial(ctx, "", "")
	if err != nil {
		return 0, c.explain(err)
	}
	defer conn.Close()
	cred, err := peerOf(conn.(*net.UnixConn))
	if err != nil {
		return 0, c.explain(err)
	}
	return int(cred.Pid), nil
}

// Why asks for the records of workers that ended abnormally, in short.
func (c *Client) Why(ctx context.Context) (postmortem.Report, error) {
	return call[postmortem.Report](ctx, c, http.MethodGet, "/v1/why", nil)
}

// Postmortem asks for one record, by its id or by its worker's. The error wraps
// postmortem.ErrNotFound when there is none.
func (c *Client) Postmortem(ctx context.Context, which string) (postmortem.Record, error) {
	r, err := call[postmortem.Record](ctx, c, http.MethodGet, "/v1/why/"+url.PathEscape(which), nil)
	if refused, ok := errors.AsType[*RefusedError](err); ok && refused.Code == http.StatusNotFound {
		err = fmt.Errorf("%w: %w", postmortem.ErrNotFound, err)
	}
	return r, err
}

func call[T any](ctx context.Context, c *Client, method, path string, body any) (answer T, err error) {
	var payload io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return answer, fmt.Errorf("put the request into JSON: %w", err)
		}
		payload = bytes.NewReader(text)
	}
	res, err := c.do(ctx, method, path, payload)
	if err != nil {
		return answer, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return answer, c.explain(err)
	}
	if res.StatusCode >= 300 {
		return answer, c.refusal(res, text)
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return answer, fmt.Errorf("what answers at %s is not a supervisor: %w; name its socket with --control", c.path, err)
	}
	return answer, nil
}

// do sends a request; the answer's body is the caller's to close.
func (c *Client) do(ctx context.Context, method, path string, payload io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://supervisor"+path, payload)
	if err != nil {
		return nil, fmt.Errorf("ask the supervisor at %s: %w", c.path, err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(r)
	if err != nil {
		return nil, c.explain(err)
	}
	return res, nil
}

// refusal is the error in an answer that is not a good one.
func (c *Client) refusal(res *http.Response, text []byte) error {
	var refusal errorBody
	if json.Unmarshal(text, &refusal) != nil || refusal.Error == "" {
		refusal.Error = fmt.Sprintf("what answers at %s is not a supervisor: %s; name its socket with --control", c.path, res.Status)
	}
	return &RefusedError{Code: res.StatusCode, Text: refusal.Error}
}

// dial connects, and checks who is at the other end before anything is said.
func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	dir := filepath.Dir(c.path)
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err == nil {
		if err := checkFallback(dir, st); err != nil {
			return nil, &strangerError{err.Error()}
		}
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", c.path)
	if err != nil {
		return nil, err
	}
	cred, err := peerOf(conn.(*net.UnixConn))
	if me := os.Getuid(); err == nil && me != 0 && cred.Uid != 0 && int(cred.Uid) != me {
		err = &strangerError{fmt.Sprintf(strangerText, cred.Pid, cred.Uid, me)}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

const strangerText = "process %d there belongs to uid %d, neither to us (%d) nor to root; run this as that user, or name another socket with --control"

// strangerError: we do not talk to whoever is there.
type strangerError struct{ text string }

func (e *strangerError) Error() string { return e.text }

// explain turns an error of the transport into what a person can act upon.
func (c *Client) explain(err error) error {
	const remedy = "start it, or name its socket with --control"
	var stranger *strangerError
	switch {
	case errors.As(err, &stranger):
		return fmt.Errorf("will not talk to what is at %s: %w", c.path, stranger)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("no supervisor answers at %s: there is no such socket; %s", c.path, remedy)
	case errors.Is(err, syscall.ECONNREFUSED):
		if st, err := os.Stat(c.path); err == nil && st.Mode()&fs.ModeSocket == 0 {
			return fmt.Errorf("no supervisor answers at %s: what is there is no socket; %s", c.path, remedy)
		}
		return fmt.Errorf("no supervisor answers at %s: the socket was left by one that is gone; %s", c.path, remedy)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("may not talk to the supervisor at %s: run this as its user or as root", c.path)
	case errors.Is(err, syscall.EINVAL) && len(c.path) > maxPath:
		return fmt.Errorf("no supervisor answers at %s: the path has %d bytes and the system takes %d; %s", c.path, len(c.path), maxPath, remedy)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("the supervisor at %s closed the connection without an answer: it may just have stopped; supervisor status says whether it runs", c.path)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the supervisor at %s did not answer in time: it is stopped or short of CPU; look at its process and its log: %w", c.path, context.DeadlineExceeded)
	}
	return fmt.Errorf("ask the supervisor at %s: %w; is that its socket? --control names another", c.path, err)
}
