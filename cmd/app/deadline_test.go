package main

import (
	"testing"
	"time"
)

func TestTheRequestTimeoutIsThatOfAllButLongLivedRoutes(t *testing.T) {
	s := newSettings()
	for _, p := range newSite(s, nil, nil).app.Plan() {
		if p.Deadline != 0 {
			t.Errorf("%s has a deadline of %v, and none was set", p.Pattern, p.Deadline)
		}
	}
	s.RequestTimeout = timeout(30 * time.Second)
	longLived := map[string]bool{"GET /stream/": true, "GET /events/": true, "GET /ws/echo/": true}
	for _, p := range newSite(s, nil, nil).app.Plan() {
		if bounded := p.Deadline == 30*time.Second; bounded == longLived[p.Pattern] {
			t.Errorf("%s has a deadline of %v", p.Pattern, p.Deadline)
		}
		delete(longLived, p.Pattern)
	}
	if len(longLived) != 0 {
		t.Errorf("there are no routes %v", longLived)
	}
}
