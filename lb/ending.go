package lb

import (
	"errors"

	"fairlead/lb/termination"
)

// ending is the error with which a phase of an arrival ends a session: the cause, the answer an HTTP client
// gets, and what happened behind it.
type ending struct {
	cause  termination.Cause
	answer *answer // nil: close without a word
	err    error   // nil where the cause says it all
}

func (e *ending) Error() string {
	if e.err == nil {
		return e.cause.String()
	}
	return e.cause.String() + ": " + e.err.Error()
}

func (e *ending) Unwrap() error { return e.err }

// end makes an ending without an answer.
func end(c termination.Cause, err error) *ending { return &ending{cause: c, err: err} }

// endWith makes an ending that answers an HTTP client first.
func endWith(c termination.Cause, a *answer, err error) *ending {
	return &ending{cause: c, answer: a, err: err}
}

// asEnding returns the ending in err's chain; any other error is a fault of ours.
func asEnding(err error) *ending {
	var e *ending
	if errors.As(err, &e) {
		return e
	}
	return end(termination.InternalError, err)
}
