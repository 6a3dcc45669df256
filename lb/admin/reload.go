package admin

import (
	"net/http"
	"time"

	"go.uber.org/zap"
)

// ReloadChange is a difference between the file and what is in force.
type ReloadChange struct {
	Path    string `json:"path"` // pools.chat.backends.b3
	Kind    string `json:"kind"` // added, removed or changed
	Was     string `json:"was,omitempty"`
	Now     string `json:"now,omitempty"`
	Restart string `json:"restart,omitempty"` // why it takes effect when the process starts anew only
}

// ReloadStatus is how reloading has gone since the start.
type ReloadStatus struct {
	Count, Failures uint64    // that were carried out, and that were not
	Failed          bool      // the last one was not
	At              time.Time // of the last one that was; zero: none has been
}

// Reload is the answer to POST /v1/reload.
type Reload struct {
	Applied bool           `json:"applied"`
	Changes []ReloadChange `json:"changes"`
}

type reloadOrder struct {
	DryRun bool `json:"dry_run"`
}

// reload puts the file in force, or says what that would change. A mistake in the file is the answer, as `fairlead check`
// prints it.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	var o reloadOrder
	if err := readAnyBody(r, &o); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	if s.options.Reload == nil {
		fail(w, http.StatusConflict, "this process was not started from a configuration file, so there is none to read again; start it with `fairlead run -c FILE`")
		return
	}
	if !o.DryRun {
		s.note(r, zap.Bool("dry_run", o.DryRun))
	}
	changes, err := s.options.Reload(s.ctx, o.DryRun)
	if err != nil {
		fail(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	if changes == nil {
		changes = []ReloadChange{}
	}
	answer(w, http.StatusOK, Reload{Applied: !o.DryRun, Changes: changes})
}
