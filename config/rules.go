package config

import (
	"math"
	"reflect"
	"strconv"
	"time"
)

// rule is what a field may hold beyond what its Go type says. Decoding enforces it and the schema publishes it.
type rule struct {
	// need says what to write where a field that must be there is missing; empty: it may be left out.
	need string
	// enum lists the values of a text field.
	enum []string
	// least and most bound a number in the field's own unit: 1, bytes or nanoseconds.
	least, most int64
	// orZero allows 0 below least too, where 0 turns something off.
	orZero bool
}

const (
	// longestDuration catches slips such as a count of seconds written with the unit h.
	longestDuration = 365 * day
	// keepaliveMost stays below MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL of the kernel, 32767 s; setsockopt refuses more.
	keepaliveMost = 9 * time.Hour
	// userTimeoutMost fits TCP_USER_TIMEOUT, a C int of milliseconds (tcp(7)).
	userTimeoutMost = 24 * day
	// mostParts bounds what there is one of for each core.
	mostParts = 256
)

var (
	tlsVersions = []string{"1.2", "1.3"}

	deadline  = rule{least: int64(time.Millisecond), most: int64(longestDuration)} // an arrival without one could hang for ever
	timespan  = rule{most: int64(longestDuration)}
	patience  = rule{least: int64(time.Millisecond), most: int64(longestDuration), orZero: true}
	keepalive = rule{least: int64(time.Second), most: int64(keepaliveMost), orZero: true}
	every     = rule{least: int64(10 * time.Millisecond), most: int64(day)}
	unacked   = rule{least: int64(time.Millisecond), most: int64(userTimeoutMost), orZero: true}
	count     = rule{most: math.MaxInt32}
)

// enums are the values of the types that have few.
var enums = map[reflect.Type][]string{
	reflect.TypeFor[Protocol]():    {string(ProtocolHTTP), string(ProtocolTCP)},
	reflect.TypeFor[AcceptProxy](): {string(AcceptProxyOff), string(AcceptProxyOptional), string(AcceptProxyRequired)},
	reflect.TypeFor[TLSMode]():     {string(TLSOff), string(TLSTerminate), string(TLSPassthrough)},
	reflect.TypeFor[Forwarded]():   {string(ForwardedOff), string(ForwardedX), string(ForwardedRFC7239)},
	reflect.TypeFor[Spoofed]():     {string(SpoofedDrop), string(SpoofedAppend)},
	reflect.TypeFor[Balance](): {
		string(BalanceMaglev), string(BalanceRendezvous), string(BalanceLeastConn), string(BalanceRoundRobin),
	},
	reflect.TypeFor[SendProxy]():   {string(SendProxyOff), string(SendProxyV1), string(SendProxyV2)},
	reflect.TypeFor[PoolTLSMode](): {string(PoolTLSOff), string(PoolTLSOn)},
	reflect.TypeFor[OnDown]():      {string(OnDownKeep), string(OnDownClose), string(OnDownClosePaced)},
	reflect.TypeFor[HealthType](): {
		string(HealthTCP), string(HealthTLS), string(HealthHTTP), string(HealthWebSocket), string(HealthNone),
	},
	reflect.TypeFor[HealthStart](): {string(HealthStartUp), string(HealthStartDown)},
	reflect.TypeFor[Switch]():      {string(SwitchAuto), string(SwitchOff)},
	reflect.TypeFor[SessionLog]():  {string(SessionsOff), string(SessionsClose), string(SessionsBoth)},
}

// rules are keyed by the name of the Go type and the key in the file.
var rules = map[string]rule{
	"Config.listeners": {need: "give at least one listener"},
	"Config.pools":     {need: "give at least one pool"},

	"Listener.bind":             {need: `give at least one address, as in [":443"]`},
	"Listener.idle_timeout":     patience,
	"Listener.fin_timeout":      patience,
	"Listener.max_age":          patience,
	"Listener.max_connections":  count,
	"Listener.shards":           {most: mostParts},
	"Listener.tcp_keepalive":    keepalive,
	"Listener.tcp_user_timeout": unacked,

	// A version 2 header with two unix addresses takes 16+216 bytes; its length field allows 16+65535
	// (PROXY protocol specification, section 2.2).
	"ProxyProtocol.max_bytes": {least: 16 + 216, most: 64 << 10},

	"ListenerTLS.min_version":       {enum: tlsVersions},
	"ListenerTLS.handshake_timeout": deadline,
	"Certificate.cert":              {need: "name the PEM file of the certificate chain"},
	"Certificate.key":               {need: "name the PEM file of the private key"},

	"Head.timeout":          deadline,
	"Head.max_bytes":        {least: 1 << 10, most: 1 << 20},
	"Head.max_request_line": {least: 128, most: 1 << 20},
	"Head.max_headers":      {least: 1, most: 1000},

	"Route.pool": {need: "name the pool that takes the connection"},

	"Pool.name":             {need: "routes and logs refer to a pool by its name"},
	"Pool.backends":         {need: "give at least one backend"},
	"Pool.connect_timeout":  deadline,
	"Pool.load_factor":      {least: 1, most: 100, orZero: true},
	"Pool.panic_threshold":  {most: 1},
	"Pool.slow_start":       patience,
	"Pool.close_rate":       {least: 1, most: 1_000_000},
	"Pool.answer_timeout":   deadline,
	"Pool.retries":          {most: 100},
	"Pool.retry_budget":     {most: 1},
	"Pool.tcp_keepalive":    keepalive,
	"Pool.tcp_user_timeout": unacked,

	"Affinity.ttl":         timespan,
	"Affinity.capacity":    {least: 1, most: 100_000_000},
	"Affinity.ipv4_prefix": {least: 1, most: 32},
	"Affinity.ipv6_prefix": {least: 1, most: 128},

	"PoolTLS.min_version": {enum: tlsVersions},

	"Queue.size":     {most: 1_000_000},
	"Queue.timeout":  deadline,
	"Drain.over":     patience,
	"Drain.deadline": patience,

	"Health.interval":      every,
	"Health.fast_interval": every,
	"Health.timeout":       {least: int64(time.Millisecond), most: int64(10 * time.Minute)},
	"Health.rise":          {least: 1, most: 1000},
	"Health.fall":          {least: 1, most: 1000},
	"Health.port":          {most: 65535},

	"Ejection.connect_failures": count,
	"Ejection.answer_failures":  count,
	"Ejection.failure_rate":     {most: 1},
	"Ejection.window":           {least: int64(time.Second), most: int64(time.Hour)},
	"Ejection.min_attempts":     {least: 1, most: math.MaxInt32},
	"Ejection.time":             deadline,
	"Ejection.max_time":         deadline,
	"Ejection.max_share":        {most: 1},

	"Backend.address":         {need: `give "host:port" or "unix:/path"`},
	"Backend.weight":          {most: 1000},
	"Backend.max_connections": count,

	"Relay.loops": {most: mostParts},

	"Admin.max_connections": {least: 1, most: 65536},
	"Admin.streams":         {most: 1000},
	"Admin.history":         {least: 256 << 10, most: 1 << 30, orZero: true},

	"DNS.timeout":     {least: int64(time.Millisecond), most: int64(time.Minute)},
	"DNS.min_ttl":     every,
	"DNS.max_ttl":     every,
	"DNS.retry":       every,
	"DNS.max_records": {least: 1, most: 10_000},

	"Log.level":         {enum: []string{"debug", "info", "warn", "error"}},
	"Log.sessions_rate": count,
	"Log.format":        {enum: []string{"json", "console"}},
	"Shutdown.grace":    timespan,
}

// ruleName is the key of a field in rules.
func ruleName(owner reflect.Type, key string) string { return owner.Name() + "." + key }

// yamlFields returns the keys of a struct type in their order, and the index of each key's field.
func yamlFields(t reflect.Type) ([]string, map[string]int) {
	keys, index := make([]string, t.NumField()), make(map[string]int, t.NumField())
	for i := range keys {
		keys[i] = t.Field(i).Tag.Get("yaml")
		index[keys[i]] = i
	}
	return keys, index
}

// bounds renders the range of numbers of type t that r allows.
func (r rule) bounds(t reflect.Type) string {
	least, most := quantity(t, r.least), quantity(t, r.most)
	if r.orZero {
		return "0 (off), or " + least + " to " + most
	}
	return least + " to " + most
}

// quantity renders n in the unit of type t.
func quantity(t reflect.Type, n int64) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return formatDuration(time.Duration(n))
	case reflect.TypeFor[Size]():
		return Size(n).String()
	}
	return strconv.FormatInt(n, 10)
}
