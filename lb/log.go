package lb

import (
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"fairlead/lb/relay"
	"fairlead/lb/termination"
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
	fieldStatus   = "status"
	fieldEngine   = "engine"
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
func (s *session) logOpen() {
	if s.f.opts.Sessions != SessionsBoth {
		return
	}
	if ce := s.f.log.Check(zapcore.InfoLevel, "session open"); ce != nil {
		ce.Write(s.fields(make([]zap.Field, 0, 24))...)
	}
}

// logEnd writes the session line.
func (s *session) logEnd(r relay.Result) {
	if r.Cause == termination.ProxyMismatch && s.f.mismatches.ready() {
		s.f.log.Warn("connection refused: PROXY protocol mismatch",
			zap.Stringer(fieldPeer, s.peer), zap.Error(r.Err), zap.Uint64("count", s.f.Ended(r.Cause)))
	}
	if s.f.opts.Sessions == SessionsOff {
		return
	}
	ce := s.f.log.Check(zapcore.InfoLevel, "session")
	if ce == nil {
		return
	}
	fs := s.fields(make([]zap.Field, 0, 24))
	fs = append(fs,
		zap.String(fieldEngine, r.Engine),
		zap.Uint64(fieldUp, s.upBytes+r.Up), zap.Uint64(fieldDown, s.downBytes+r.Down),
		zap.Duration(fieldTTotal, time.Since(s.start)),
		zap.Stringer(fieldSide, r.Cause.Side()), zap.Stringer(fieldCause, r.Cause))
	if r.Err != nil {
		fs = append(fs, zap.NamedError(fieldError, r.Err))
	}
	ce.Write(fs...)
}

// fields appends what is known of s. Text from peers is quoted by the log's encoders.
func (s *session) fields(fs []zap.Field) []zap.Field {
	add := func(name, v string) {
		if v != "" {
			fs = append(fs, zap.String(name, v))
		}
	}
	add(fieldID, s.id.String())
	if s.source.IsValid() {
		fs = append(fs, zap.Stringer(fieldClient, s.source))
	} else {
		add(fieldClient, "unix")
	}
	if s.source != s.peer && s.peer.IsValid() {
		fs = append(fs, zap.Stringer(fieldPeer, s.peer))
	}
	add(fieldSNI, s.sni)
	add(fieldHost, s.head.host)
	add(fieldMethod, s.head.method)
	add(fieldPath, s.head.path)
	add(fieldALPN, s.alpn)
	if s.tls.Version != 0 {
		add(fieldTLS, s.tls.VersionName())
		fs = append(fs, zap.Bool(fieldResumed, s.tls.Resumed), zap.Duration(fieldTTLS, s.secured))
	}
	if s.hasHead {
		fs = append(fs, zap.Duration(fieldTHead, s.headed))
	}
	if s.pool != nil {
		add(fieldPool, s.pool.Name())
	}
	if b := s.choice.backend; b != nil {
		add(fieldBackend, b.Name)
		add(fieldAffinity, s.choice.hit)
		fs = append(fs, zap.Duration(fieldTConnect, s.connected))
	}
	if s.attempts > 1 {
		fs = append(fs, zap.Int(fieldAttempts, s.attempts))
	}
	if s.status != 0 {
		fs = append(fs, zap.Int(fieldStatus, s.status))
	}
	return fs
}
