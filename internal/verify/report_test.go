package verify

import (
	"encoding/json"
	"strings"
	"testing"
)

// Lists are lists in JSON also when they are empty.
func TestReportInJSON(t *testing.T) {
	text, err := json.Marshal(Judge(Evidence{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"result":"not-verified"`, `"problem":"there was no reload"`, `"paths":[]`, `"reloads":[]`, `"causes":[]`, `"events":[]`, `"slowest":null`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s has no %s", text, want)
		}
	}
}

func TestRouted(t *testing.T) {
	for _, tc := range []struct {
		route, path string
		want        bool
	}{
		{"/", "/", true},
		{"/{$}", "/", true},
		{"/", "/posts/", false},
		{"/posts/{id}", "/posts/5?page=2", true},
		{"/posts/{id}", "/posts/", false},
		{"/posts/{id}/", "/posts/5/", true},
		{"/posts/{id}", "/posts/5/edit", false},
		{"/static/{file...}", "/static/a/b.css", true},
		{"/static/{file...}", "/posts/5", false},
		{"", "/", false},
	} {
		if got := routed(tc.route, tc.path); got != tc.want {
			t.Errorf("%q of %q: %v", tc.route, tc.path, got)
		}
	}
}
