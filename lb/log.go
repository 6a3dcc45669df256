package lb

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"fairlead/lb/relay"
	"fairlead/tlsterm"
)

// SessionLog says when a session gets a line in the log.
type SessionLog uint8

// Values of SessionLog.
const (
	SessionsOff   SessionLog = iota
	SessionsClose            // at its end
	SessionsBoth             // when its tunnel stands, too
)

// Names of the fields of session lines; docs/logging.md explains them.
const (
	fieldID       = "id"
	fieldListener = "listener"
	fieldClient   = "client"
	fieldPeer     = "peer" // of the socket, where a PROXY header named another client
	fieldSNI      = "sni"
	fieldALPN     = "alpn"
	fieldHost     = "host"
	fieldMethod   = "method"
	fieldPath     = "path" // without the query, which may hold tokens
	fieldTLS      = "tls"
	fieldResumed  = "resumed"
	fieldPool     = "pool"
	fieldBackend  = "backend"
	fieldAffinity = "affinity"
	fieldAttempts = "attempts"
	fieldTQueue   = "t_queue"
	fieldReason   = "reason"
	fieldSample   = "sample"
	fieldStatus   = "status"
	fieldEngine   = "engine"
	fieldObstacle = "obstacle"
	fieldUp       = "up"
	fieldDown     = "down"
	fieldTTLS     = "t_tls"
	fieldTHead    = "t_head"
	fieldTConnect = "t_connect"
	fieldTTotal   = "t_total"
	fieldSide     = "side"
	fieldCause    = "cause"
	fieldError    = "error"
)

// logOpen writes the line of a tunnel that stands now.
func (f *Frontend) logOpen(a *facts) {
	if f.live.Load().Sessions != SessionsBoth {
		return
	}
	if ce := f.log.Check(zapcore.InfoLevel, "session open"); ce != nil {
		ce.Write(a.fields(make([]zap.Field, 0, 24))...)
	}
}

// logEnd writes the session line.
func (f *Frontend) logEnd(a *facts, r relay.Result) {
	f.explain(a, r)
	if f.live.Load().Sessions == SessionsOff {
		return
	}
	of, ok := f.run.Sampler.take()
	if !ok {
		return
	}
	ce := f.log.Check(zapcore.InfoLevel, "session")
	if ce == nil {
		return
	}
	fs := a.fields(make([]zap.Field, 0, 24))
	fs = append(fs,
		zap.Stringer(fieldEngine, r.Engines),
		zap.Uint64(fieldUp, a.upBytes+r.Up), zap.Uint64(fieldDown, a.downBytes+r.Down),
		zap.Duration(fieldTTotal, a.age()),
		zap.Stringer(fieldSide, r.Cause.Side()), zap.Stringer(fieldCause, r.Cause))
	if of > 1 {
		fs = append(fs, zap.Int(fieldSample, of))
	}
	if r.Obstacle != "" {
		fs = append(fs, zap.String(fieldObstacle, r.Obstacle))
	}
	if r.Err != nil {
		fs = append(fs, zap.NamedError(fieldError, r.Err))
	}
	ce.Write(fs...)
}

// fields appends what is known of a session. Text from peers is quoted by the log's encoders.
func (a *facts) fields(fs []zap.Field) []zap.Field {
	add := func(name, v string) {
		if v != "" {
			fs = append(fs, zap.String(name, v))
		}
	}
	add(fieldID, a.id.String())
	if a.source.IsValid() {
		fs = append(fs, zap.Stringer(fieldClient, a.source))
	} else {
		add(fieldClient, "unix")
	}
	if a.source != a.peer && a.peer.IsValid() {
		fs = append(fs, zap.Stringer(fieldPeer, a.peer))
	}
	add(fieldSNI, a.sni)
	add(fieldHost, a.head.host)
	add(fieldMethod, a.head.method)
	add(fieldPath, a.head.path)
	add(fieldALPN, a.alpn)
	if a.version != 0 {
		add(fieldTLS, tlsterm.State{Version: a.version}.VersionName())
		fs = append(fs, zap.Bool(fieldResumed, a.resumed), zap.Duration(fieldTTLS, a.secured))
	}
	if a.hasHead {
		fs = append(fs, zap.Duration(fieldTHead, a.headed))
	}
	if a.pool != nil {
		add(fieldPool, a.pool.Name())
	}
	if b := a.backend; b != nil {
		add(fieldBackend, b.Name)
		add(fieldAffinity, a.hit)
		fs = append(fs, zap.Duration(fieldTConnect, a.connected))
	}
	if a.attempts > 1 {
		fs = append(fs, zap.Int(fieldAttempts, a.attempts))
	}
	if a.queued != 0 {
		fs = append(fs, zap.Duration(fieldTQueue, a.queued))
	}
	if a.status != 0 {
		fs = append(fs, zap.Int(fieldStatus, a.status))
	}
	return fs
}
