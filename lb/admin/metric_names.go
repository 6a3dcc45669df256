package admin

import "github.com/prometheus/client_golang/prometheus"

// Names of labels. Each has few values: names of the configuration, and words of ours.
const (
	labelListener  = "listener"
	labelPool      = "pool"
	labelBackend   = "backend"
	labelSource    = "source"
	labelCause     = "cause"
	labelSide      = "side"
	labelEngine    = "engine"
	labelReason    = "reason"
	labelVersion   = "version"
	labelSuite     = "suite"
	labelResumed   = "resumed"
	labelPhase     = "phase"
	labelState     = "state"
	labelHow       = "how"
	labelResult    = "result"
	labelDirection = "direction"
	labelOf        = "of"
	labelFile      = "file"
	labelLoop      = "loop"
)

// metric describes one; docs/metrics.md explains it, and a test holds the two together.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("fairlead_"+name, help, labels, nil)
}

// What there is, in the order of docs/metrics.md.
var (
	metricBuild        = metric("build_info", "Always 1; the version is a label.", labelVersion)
	metricReloads      = metric("config_reloads_total", "Reloads of the configuration.", labelResult)
	metricReloadGood   = metric("config_last_reload_successful", "1 unless the last reload failed.")
	metricReloadedTime = metric("config_last_reload_success_timestamp_seconds", "When the configuration in force was loaded, as a Unix time.")

	metricConnections = metric("connections_total", "Connections accepted.", labelListener)
	metricSessions    = metric("sessions", "Sessions, arrivals and tunnels.", labelListener)
	metricLimit       = metric("sessions_limit", "How many sessions there may be.", labelListener)
	metricTunnels     = metric("tunnels", "Open tunnels, by all the engines that have moved their bytes so far.", labelListener, labelEngine)
	metricEnded       = metric("sessions_ended_total", "Sessions that have ended.", labelListener, labelSide, labelCause)
	metricMoved       = metric("tunnels_moved_total", "Tunnels that have ended whose bytes an engine has moved, alone or among others.", labelListener, labelEngine)
	metricStd         = metric("tunnels_std_total", "Tunnels that were left to goroutines.", labelReason)
	metricTraffic     = metric("listener_bytes_total", "Payload bytes.", labelListener, labelDirection)
	metricDraining    = metric("listener_draining", "1 while a listener is being drained.", labelListener)

	metricHandshakes   = metric("handshakes_total", "TLS handshakes with clients that succeeded.", labelListener, labelVersion, labelSuite, labelResumed)
	metricDisagreed    = metric("handshakes_failed_total", "TLS handshakes with clients that failed.", labelListener, labelReason)
	metricArrival      = metric("arrival_seconds", "How long a phase of an arrival took.", labelListener, labelPhase)
	metricCertificates = metric("certificate_expiry_timestamp_seconds", "When a certificate in use expires, as a Unix time.", labelOf, labelFile)

	metricEligible = metric("pool_eligible_backends", "Backends that may be picked.", labelPool)
	metricPanic    = metric("pool_panic", "1 while too few backends are eligible and all are tried.", labelPool)
	metricBackups  = metric("pool_backups_in_use", "1 while the backup backends are in use.", labelPool)

	metricWaiting = metric("queue_waiting", "Sessions that wait for a slot.", labelPool)
	metricQueued  = metric("queue_total", "Sessions that have waited for a slot, or would have.", labelPool, labelResult)

	metricPins       = metric("affinity_pins", "Keys with an open tunnel.", labelPool)
	metricRemembered = metric("affinity_remembered", "Keys that are remembered without one.", labelPool)
	metricHits       = metric("affinity_hits_total", "How backends were found for sessions with a key.", labelPool, labelHow)
	metricKeysMoved  = metric("affinity_moved_total", "Keys that had a backend and were placed anew.", labelPool)
	metricEvicted    = metric("affinity_evicted_total", "Keys that were forgotten early for want of room.", labelPool)
	metricExpired    = metric("affinity_expired_total", "Keys that were found expired.", labelPool)

	metricBackendSessions = metric("backend_sessions", "Sessions on a backend.", labelPool, labelBackend)
	metricBackendTunnels  = metric("backend_tunnels", "Open tunnels to a backend.", labelPool, labelBackend)
	metricBackendEnded    = metric("backend_sessions_ended_total", "Sessions that were connected to a backend and have ended.", labelPool, labelBackend, labelSide, labelCause)
	metricState           = metric("backend_state", "1 for the state that a backend is in.", labelPool, labelBackend, labelState)
	metricWeight          = metric("backend_weight", "Weight of a backend.", labelPool, labelBackend)
	metricConnects        = metric("backend_connects_total", "Connects to a backend.", labelPool, labelBackend, labelResult)
	metricRefusals        = metric("backend_refusals_total", "Upgrade requests without a good answer.", labelPool, labelBackend)
	metricEjections       = metric("backend_ejections_total", "Ejections of a backend.", labelPool, labelBackend)
	metricBytes           = metric("backend_bytes_total", "Payload bytes.", labelPool, labelBackend, labelDirection)
	metricChecks          = metric("backend_checks_total", "Active checks of a backend.", labelPool, labelBackend, labelResult)
	metricCheckTook       = metric("backend_check_seconds", "How long the last active check took.", labelPool, labelBackend)
	metricPorts           = metric("backend_ports_left", "Local ports that are left for connections to a backend.", labelPool, labelBackend)

	metricMembers     = metric("source_members", "Backends that a source tells of.", labelPool, labelSource)
	metricSourceFails = metric("source_failing", "1 while a source cannot be looked up.", labelPool, labelSource)

	metricTurn    = metric("loop_turn_seconds", "How long the turns of an event loop took; the sum is how long it was busy.", labelLoop)
	metricYielded = metric("loop_yield_seconds_total", "How long an event loop with more to do has let others have the processor.", labelLoop)
	metricLag     = metric("loop_lag_seconds", "How long an event loop took to come to a message that this scrape has left it.", labelLoop)
)
