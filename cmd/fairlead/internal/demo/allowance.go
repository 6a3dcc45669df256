package demo

import "time"

// How fast one member may talk.
const (
	perSecond = 5.0
	burst     = 10.0
)

// allowance is a token bucket of messages.
type allowance struct {
	left float64
	at   time.Time // when left was right
}

// take uses up one message if there is one.
func (a *allowance) take(now time.Time) bool {
	a.left = min(burst, a.left+perSecond*now.Sub(a.at).Seconds())
	a.at = now
	if a.left < 1 {
		return false
	}
	a.left--
	return true
}
