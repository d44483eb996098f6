package config

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-go/tandem/internal/socket"
)

// Addresses are the addresses to listen on, in the order in which they were given.
type Addresses []socket.Addr

// Set replaces the list by the addresses in text, which commas separate.
func (a *Addresses) Set(text string) error {
	var list Addresses
	for part := range strings.SplitSeq(text, ",") {
		addr, err := socket.Parse(strings.TrimSpace(part))
		if err != nil {
			return fmt.Errorf("is not an address: %w; give host:port, :port, [v6]:port, unix:/path or fd:N", cmp.Or(errors.Unwrap(err), err))
		}
		list = append(list, addr)
	}
	*a = list
	return nil
}

// Add appends the addresses in text: that is what a repeated flag means.
func (a *Addresses) Add(text string) error {
	var more Addresses
	if err := more.Set(text); err != nil {
		return err
	}
	*a = append(slices.Clip(*a), more...)
	return nil
}

func (a Addresses) String() string {
	var texts []string
	for _, addr := range a {
		texts = append(texts, addr.String())
	}
	return strings.Join(texts, ",")
}

// Path is a path of a file or directory; "" is none. In a [Loaded] it is absolute.
type Path string

// Set takes any text that can be a path.
func (p *Path) Set(text string) error {
	if strings.ContainsRune(text, 0) {
		return errors.New("has a zero byte in it")
	}
	*p = Path(text)
	return nil
}

func (p Path) String() string { return string(p) }

// from makes the path absolute, if it is one.
func (p *Path) from(dir string) {
	if *p != "" {
		*p = Path(join(dir, string(*p)))
	}
}

func join(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// Socket is the path of the control socket, or [Off]. In a [Loaded] it is
// absolute.
type Socket string

// Set reads a path or off.
func (s *Socket) Set(text string) error {
	if text == "" {
		return errors.New("is empty: give a path, or off")
	}
	return (*Path)(s).Set(text)
}

func (s Socket) String() string { return string(s) }

func (s *Socket) from(dir string) {
	if *s != Off {
		(*Path)(s).from(dir)
	}
}

// Admin is the address of the admin listener, or [Off].
type Admin string

// Set reads off, host:port, :port or unix:/path.
func (a *Admin) Set(text string) error {
	if text != Off {
		addr, err := socket.Parse(text)
		if err != nil || addr.Network == "fd" {
			return errors.New("is not off, host:port, :port or unix:/path")
		}
	}
	*a = Admin(text)
	return nil
}

func (a Admin) String() string { return string(a) }

func portNumber(text string) error {
	if _, err := strconv.ParseUint(text, 10, 16); err != nil {
		return errors.New("is not a port number")
	}
	return nil
}

// LogFile is the path of the log file; "" is stderr. In a [Loaded] it is absolute.
type LogFile string

// Set reads a path; stderr and - stand for no file.
func (f *LogFile) Set(text string) error {
	if text == "stderr" || text == "-" {
		text = ""
	}
	return (*Path)(f).Set(text)
}

func (f *LogFile) from(dir string) { (*Path)(f).from(dir) }

func (f LogFile) String() string {
	if f == "" {
		return "stderr"
	}
	return string(f)
}
