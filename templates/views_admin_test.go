package templates

import "time"

// addAdminViews adds the administrators' pages, and what waits for them, to
// everyView.
func addAdminViews(views map[string]View, base Base, s string) {
	for _, state := range []string{WaitingOpen, WaitingRefused, WaitingOver} {
		views["bind-waiting-"+state] = Bind{Base: base, Step: 4, Waiting: &Waiting{State: state, Reason: s, AskedAt: clock, EndsAt: clock.Add(time.Hour)}}
	}
}
