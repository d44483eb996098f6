package auth

// Watch has f called before each comparison of a password with a hash.
func (p *Passwords) Watch(f func(password, hash string)) {
	compare := p.compare
	p.compare = func(password, hash string) (bool, error) {
		f(password, hash)
		return compare(password, hash)
	}
}

// Dummy is the hash that no password has.
func (p *Passwords) Dummy() string { return p.dummy }

func ParseBasic(credentials string) (name, password string, ok bool) {
	b, ok := parseBasic(credentials)
	return b.name, b.password, ok
}

var (
	IsToken = isToken
	IsLocal = isLocal
)
