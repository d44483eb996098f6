package auth_test

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/tandem-go/tandem/auth"
	"github.com/tandem-go/tandem/session"
	"github.com/tandem-go/tandem/view"
)

// visitor is a browser at a site with login.
type visitor struct {
	t      *testing.T
	site   *server
	cookie string
}

func (v *visitor) get(target string, status int, want string) *http.Response {
	v.t.Helper()
	var header []string
	if v.cookie != "" {
		header = []string{"Cookie", v.cookie}
	}
	resp := v.site.get(target, header...)
	got := body(resp)
	if resp.StatusCode != status || want != "" && got != want {
		v.t.Errorf("%s: %d %q, want %d %q", target, resp.StatusCode, got, status, want)
	}
	for _, c := range resp.Cookies() {
		v.cookie = c.Name + "=" + c.Value
		if c.MaxAge < 0 {
			v.cookie = ""
		}
	}
	return resp
}

// visit makes a visitor of a site whose login believes anybody.
func (d *directory) visit(t *testing.T, opts []view.Option, store view.Middleware, byID view.Middleware) *visitor {
	site := d.serve(opts, store, byID)
	site.Routes(
		view.Path("GET /login", func(r *view.Request) (view.Response, error) {
			a, err := d.byName(r.FormValue("name"))
			if err == nil {
				err = auth.Login(r, a)
			}
			resp, _ := whoami(r)
			return resp, err
		}),
		view.Path("GET /logout", func(r *view.Request) (view.Response, error) {
			auth.Logout(r)
			return whoami(r)
		}),
		view.Path("GET /basket", func(r *view.Request) (view.Response, error) {
			was, _ := session.Get[string](r, "basket")
			return view.Text("basket: " + was), session.Set(r, "basket", r.FormValue("put"))
		}),
	)
	return &visitor{t: t, site: site}
}

func (d *directory) bySession() map[string]view.Middleware {
	return map[string]view.Middleware{"async": auth.Session(d.byIDAsync), "sync": auth.Session(d.byID)}
}

func TestALoginLastsUntilTheLogout(t *testing.T) {
	d := newDirectory(t)
	for colour, m := range d.bySession() {
		for profile, opts := range profiles {
			t.Run(colour+" "+profile, func(t *testing.T) {
				v := d.visit(t, opts, sessions(t), m)
				v.get("/async", 200, "0 ")
				if got := v.get("/members", 401, "").Header.Get("WWW-Authenticate"); got != "Session" {
					t.Errorf("challenge %q", got)
				}
				v.get("/basket?put=milk", 200, "basket: ")
				anonymous := v.cookie
				v.get("/login?name=ada", 200, "7 ada")
				v.get("/async", 200, "7 ada")
				v.get("/sync", 200, "7 ada")
				v.get("/members", 200, "7 ada")
				v.get("/basket?put=milk", 200, "basket: milk")

				ada := v.cookie
				v.get("/login?name=J%C3%BCrgen", 200, "8 Jürgen")
				v.get("/basket", 200, "basket: ") // that was another's
				v.get("/logout", 200, "0 ")
				v.get("/async", 200, "0 ")
				if v.cookie != "" {
					t.Errorf("cookie %q", v.cookie)
				}
				v.cookie = anonymous // planted, it has gained nothing by the login
				v.get("/async", 200, "0 ")

				v.cookie = ada
				v.get("/async", 200, "7 ada")
				before := d.accounts["ada"]
				d.add(before.User, "another password")
				v.get("/async", 200, "0 ") // the login was with the one before
				if v.cookie != "" {
					t.Errorf("cookie %q", v.cookie)
				}
				d.accounts["ada"] = before
				v.get("/login?name=ada", 200, "7 ada")
				delete(d.accounts, "ada")
				v.get("/async", 200, "0 ")
				d.accounts["ada"] = before

				v.get("/login?name=ada", 200, "7 ada")
				d.fail = errors.New("no route to the database")
				v.get("/async", 500, "")
				d.fail = nil
				v.get("/async", 200, "7 ada") // and is still logged in
			})
		}
	}
}

// table is a store of sessions.
type table struct{ rows map[string][]byte }

func (s *table) Load(id string) ([]byte, error) {
	if data, ok := s.rows[id]; ok {
		return data, nil
	}
	return nil, session.ErrNotFound
}

func (s *table) Create(id string, data []byte, _ time.Time) error {
	s.rows[id] = data
	return nil
}

func (s *table) Update(id string, data []byte, expires time.Time) error {
	if _, ok := s.rows[id]; !ok {
		return session.ErrNotFound
	}
	return s.Create(id, data, expires)
}

func (s *table) Delete(id string) error {
	delete(s.rows, id)
	return nil
}

// only is the id of the one session there must be.
func (s *table) only(t *testing.T) string {
	t.Helper()
	ids := slices.Collect(maps.Keys(s.rows))
	if len(ids) != 1 {
		t.Fatalf("sessions %v, want one", ids)
	}
	return ids[0]
}

func TestALoginRotatesTheID(t *testing.T) {
	d := newDirectory(t)
	keys, err := session.NewKeys("0123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	store := &table{rows: map[string][]byte{}}
	v := d.visit(t, nil, session.StoredSync(store, keys), auth.Session(d.byID))
	v.get("/basket?put=milk", 200, "basket: ")
	planted, cookie := store.only(t), v.cookie
	v.get("/login?name=ada", 200, "7 ada")
	if id := store.only(t); id == planted {
		t.Error("the login has kept the id")
	}
	v.get("/members", 200, "7 ada")
	v.get("/basket", 200, "basket: milk")
	v.cookie = cookie
	v.get("/members", 401, "")
}

func TestAnAccountWithoutAnIDCannotLogIn(t *testing.T) {
	d := newDirectory(t)
	d.accounts["ghost"] = auth.Account{User: view.User{Name: "ghost"}}
	v := d.visit(t, nil, sessions(t), auth.Session(d.byID))
	v.get("/login?name=ghost", 500, "")
	v.get("/async", 200, "0 ")
}

// Of two schemes that find somebody the inner one's user asks, and is answered as
// that scheme answers.
func TestTheInnermostUserAsks(t *testing.T) {
	d := newDirectory(t)
	token, hash := auth.NewToken()
	d.tokens[hash] = view.User{ID: 3, Name: "ci"}
	v := d.visit(t, nil, sessions(t), auth.Session(d.byID))
	v.get("/login?name=ada", 200, "7 ada")
	bearer, session := auth.Bearer("api", d.byToken), auth.Session(d.byID)
	for want, ms := range map[string][]view.Middleware{"3 ci": {session, bearer}, "7 ada": {bearer, session}} {
		s := d.serve(nil, append([]view.Middleware{sessions(t)}, ms...)...)
		if got := body(s.get("/async", "Cookie", v.cookie, "Authorization", "Bearer "+token)); got != want {
			t.Errorf("%q asks, want %q", got, want)
		}
		resp := s.get("/write", "Cookie", v.cookie, "Authorization", "Bearer "+token)
		if asked := resp.Header.Get("WWW-Authenticate") != ""; resp.StatusCode != 403 || asked != (want == "3 ci") {
			t.Errorf("%s: %d %v", want, resp.StatusCode, resp.Header)
		}
	}
}
