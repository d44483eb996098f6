package socket

import "fmt"

// State is a Listener, for another program that goes on with it after an exec:
// connections that wait in its queue go on waiting.
type State struct {
	FD    int    `json:"fd"`
	Name  string `json:"name"`
	Addr  Addr   `json:"addr"`
	Made  bool   `json:"made"`
	Bound Addr   `json:"bound,omitzero"` // by which the service manager's store knows it
	Path  string `json:"path,omitempty"` // of the file that is ours
	Dev   uint64 `json:"dev,omitempty"`
	Ino   uint64 `json:"ino,omitempty"`
}

// Save gives the state; keep is called for the descriptor.
func (l *Listener) Save(keep func(int) int) State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return State{
		FD: keep(l.fd), Name: l.name, Addr: l.addr, Made: l.made, Bound: l.bound,
		Path: l.file.path, Dev: l.file.dev, Ino: l.file.ino,
	}
}

// Adopt goes on with a Listener. take gives a duplicate of the descriptor.
func Adopt(st State, take func(int) (int, error)) (*Listener, error) {
	fd, err := take(st.FD)
	if err == nil && fd >= 0 {
		err = listening(fd)
	}
	if err != nil {
		return nil, fmt.Errorf("take over the socket %s: %w", st.Addr, err)
	}
	return &Listener{
		fd: fd, name: st.Name, addr: st.Addr, made: st.Made, bound: st.Bound, stored: true,
		file: inode{path: st.Path, dev: st.Dev, ino: st.Ino},
	}, nil
}
