package auth_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"

	"github.com/tandem-go/tandem/auth"
	"github.com/tandem-go/tandem/session"
	"github.com/tandem-go/tandem/view"
)

// blog is an application with users: here they are in memory, and lookups that
// have a ctx make the middleware async.
type blog struct {
	passwords *auth.Passwords
	checker   *auth.Checker
	users     map[string]auth.Account
}

func (b *blog) byName(_ context.Context, name string) (auth.Account, error) {
	if a, ok := b.users[name]; ok {
		return a, nil
	}
	return auth.Account{}, auth.ErrUnknown
}

func (b *blog) byID(_ context.Context, id int64) (auth.Account, error) {
	for _, a := range b.users {
		if a.User.ID == id {
			return a, nil
		}
	}
	return auth.Account{}, auth.ErrUnknown
}

// login verifies on the CPU limiter, and keeps a new hash when the cost has
// changed since the old one was made.
func (b *blog) login(ctx context.Context, r *view.Request) (view.Response, error) {
	name, password := r.FormValue("name"), r.FormValue("password")
	a, err := b.checker.Check(ctx, r, name, password)
	if err != nil {
		return nil, err
	}
	if b.passwords.NeedsRehash(a.Password) {
		if a.Password, err = b.passwords.Hash(ctx, r, password); err != nil {
			return nil, err
		}
		b.users[name] = a
	}
	return view.Redirect(auth.Next(r, "/"), http.StatusSeeOther), auth.Login(r, a)
}

func logout(r *view.Request) (view.Response, error) {
	auth.Logout(r)
	return view.Text("bye"), nil
}

func write(r *view.Request) (view.Response, error) {
	return view.Text(r.User().Name + " writes"), nil
}

func remove(*view.Request) (view.Response, error) { return view.Text("removed"), nil }

// A small application with login, session and permissions.
func Example() {
	keys, err := session.NewKeys("from the environment: 32 bytes or more of random text")
	if err != nil {
		fmt.Println(err)
		return
	}
	passwords, err := auth.NewPasswords(auth.Cost{})
	if err != nil {
		fmt.Println(err)
		return
	}
	hash, err := passwords.HashSync("open sesame")
	if err != nil {
		fmt.Println(err)
		return
	}
	b := &blog{passwords: passwords, users: map[string]auth.Account{
		"ada": {User: view.User{ID: 7, Name: "ada", Permissions: []string{"posts.add"}}, Password: hash},
	}}
	b.checker = auth.NewChecker(passwords, b.byName)

	app := view.New()
	app.Use(session.Sealed(keys), auth.LoginPage("/login/"), auth.Session(b.byID))
	app.Routes(
		view.Path("POST /login/", b.login),
		view.Path("POST /logout/", logout),
		view.Path("GET /write/", write, auth.Require("posts.add")),
		view.Path("GET /remove/", remove, auth.Require("posts.delete")),
	)

	server := httptest.NewTLSServer(app)
	defer server.Close()
	client := server.Client()
	client.Jar, _ = cookiejar.New(nil)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ask := func(method, path, form string) {
		req, _ := http.NewRequest(method, server.URL+path, strings.NewReader(form))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Accept", "text/html")
		req.Header.Set("X-Request-Id", "example")
		resp, err := client.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer resp.Body.Close()
		answer, _ := io.ReadAll(resp.Body)
		if to := resp.Header.Get("Location"); to != "" {
			answer = []byte("to " + to)
		}
		if resp.StatusCode >= 400 { // a page
			_, text, _ := strings.Cut(string(answer), "<p>")
			text, _, _ = strings.Cut(text, "</p>")
			answer = []byte(text)
		}
		fmt.Printf("%s %s: %d %s\n", method, path, resp.StatusCode, answer)
	}
	ask("GET", "/write/", "")
	ask("POST", "/login/", "name=ada&password=please&next=/write/")
	ask("POST", "/login/", "name=ada&password=open+sesame&next=/write/")
	ask("GET", "/write/", "")
	ask("GET", "/remove/", "")
	ask("POST", "/logout/", "")
	ask("GET", "/write/", "")
	// Output:
	// GET /write/: 303 to /login/?next=%2Fwrite%2F
	// POST /login/: 401 wrong name or password
	// POST /login/: 303 to /write/
	// GET /write/: 200 ada writes
	// GET /remove/: 403 you may not do this
	// POST /logout/: 200 bye
	// GET /write/: 303 to /login/?next=%2Fwrite%2F
}

// A route for programs: a token of which the application has kept the hash.
func ExampleBearer() {
	token, hash := auth.NewToken()
	byToken := func(_ context.Context, h auth.TokenHash) (view.User, error) {
		if h == hash {
			return view.User{ID: 3, Name: "ci"}, nil
		}
		return view.User{}, auth.ErrUnknown
	}
	app := view.New()
	app.Routes(view.Path("GET /", write, view.With(auth.Bearer("api", byToken)), auth.LoggedIn()))
	for _, credentials := range []string{"Bearer " + token, "Bearer guess"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", credentials)
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Printf("%d %q\n", w.Code, w.Header().Get("WWW-Authenticate"))
	}
	// Output:
	// 200 ""
	// 401 "Bearer realm=\"api\", error=\"invalid_token\""
}
