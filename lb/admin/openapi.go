package admin

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	web "fairlead/lb/admin/dashboard"
	"fairlead/lb/admin/history"
)

// route is one request that there is, and what there is to say of it.
type route struct {
	method, path string
	summary      string
	query        []string // names of parameters
	body, answer any      // zero values of what goes in and comes out; nil: nothing
	handle       func(*Server, http.ResponseWriter, *http.Request)
}

// nothing is an answer without fields.
type nothing struct{}

// events are an answer of server-sent events, whose data are Live.
type events struct{}

// selectors are the parameters that say which sessions are meant.
var selectors = []string{"id", "listener", "pool", "backend", "host", "client", "min_age", "min_idle", "min_bytes", "limit"}

// table returns all requests that there are. What changes something is a POST.
func table() []route {
	return []route{
		{"GET", "/v1/status", "How the process is", nil, nil, Status{}, (*Server).status},
		{"GET", "/v1/listeners", "The listeners", nil, nil, []Listener{}, (*Server).listeners},
		{"GET", "/v1/pools", "The pools", nil, nil, []Pool{}, (*Server).pools},
		{"GET", "/v1/backends", "The backends of all pools, or of one", []string{"pool"}, nil, []Backend{}, (*Server).backends},
		{"GET", "/v1/sources", "Where backends come from that the configuration does not list", nil, nil, []SourceView{}, (*Server).sources},
		{"GET", "/v1/sessions", "Open tunnels, the oldest first or as order says", append([]string{"order"}, selectors...), nil, Sessions{}, (*Server).sessions},
		{"GET", "/v1/where", "Where a client's next session would go: by its key, or by its address", []string{"pool", "key", "address"}, nil, Where{}, (*Server).where},
		{"GET", "/v1/config", "The configuration in force, secrets masked", nil, nil, Config{}, (*Server).config},
		{"GET", "/v1/certificates", "The certificates in use", nil, nil, []Certificate{}, (*Server).certificates},
		{"GET", "/v1/log-level", "The least level that is logged", nil, nil, LogLevel{}, (*Server).logLevel},
		{"GET", "/v1/history", "What numbers have been over the last hour", []string{"kind", "pool", "name", "column", "points"}, nil, History{}, (*Server).pastOf},
		{"GET", "/v1/stream", "Server-sent events: snapshot, then state with what has changed, and step with what the history has got", nil, nil, events{}, (*Server).stream},
		{"GET", "/v1/openapi.json", "This description", nil, nil, nil, (*Server).openAPI},
		{"POST", "/v1/pools/{pool}/backends/{backend}/{verb}", "Drain, enable, disable a backend, or change its weight", nil, order{}, nothing{}, (*Server).tellBackend},
		{"POST", "/v1/listeners/{listener}/{verb}", "Drain or enable a listener", nil, order{}, nothing{}, (*Server).tellListener},
		{"POST", "/v1/sessions/kill", "End open tunnels, the longest idle first", nil, killOrder{}, Killed{}, (*Server).kill},
		{"POST", "/v1/reload", "Put the configuration file in force, or say what that would change", nil, reloadOrder{}, Reload{}, (*Server).reload},
		{"POST", "/v1/log-level", "Change the least level that is logged", nil, LogLevel{}, LogLevel{}, (*Server).setLogLevel},
	}
}

// verbs are what the paths that end in {verb} take.
var verbs = map[string][]string{"backend": {"drain", "enable", "disable", "weight"}, "listener": {"drain", "enable"}}

func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, OpenAPI())
}

// object is one of JSON.
type object = map[string]any

// OpenAPI describes the API (OpenAPI 3.1). It is made from the table of requests and the types that go in and out.
func OpenAPI() any {
	schemas := object{}
	paths := object{}
	for _, r := range table() {
		item, ok := paths[r.path].(object)
		if !ok {
			item = object{}
			paths[r.path] = item
		}
		item[strings.ToLower(r.method)] = r.operation(schemas)
	}
	schemaOf(Problem{}, schemas)
	return object{
		"openapi":    "3.1.0",
		"info":       object{"title": "fairlead admin API", "version": "1", "description": "See docs/admin.md."},
		"paths":      paths,
		"components": object{"schemas": schemas, "securitySchemes": object{"token": object{"type": "http", "scheme": "bearer"}}},
		"security":   []object{{}, {"token": []string{}}}, // the unix socket asks for none
	}
}

func (r *route) operation(schemas object) object {
	op := object{
		"summary": r.summary,
		"responses": object{
			"200":     object{"description": "done", "content": contentOf(r.answer, schemas)},
			"default": object{"description": "not done, and why", "content": jsonContent(schemaOf(Problem{}, schemas))},
		},
	}
	params := []object{}
	owner := ""
	for part := range strings.SplitSeq(r.path, "/") {
		name, ok := strings.CutPrefix(part, "{")
		if !ok {
			continue
		}
		name = strings.TrimSuffix(name, "}")
		schema := object{"type": "string"}
		if name == "verb" {
			schema["enum"] = verbs[owner]
		}
		owner = name
		params = append(params, object{"name": name, "in": "path", "required": true, "schema": schema})
	}
	for _, name := range r.query {
		params = append(params, object{"name": name, "in": "query", "schema": object{"type": "string"}})
	}
	if len(params) > 0 {
		op["parameters"] = params
	}
	if r.body != nil {
		op["requestBody"] = object{"content": jsonContent(schemaOf(r.body, schemas))}
	}
	return op
}

func contentOf(answer any, schemas object) object {
	if answer == any(events{}) {
		return object{"text/event-stream": object{"schema": object{"type": "string", "contentMediaType": "application/json", "contentSchema": schemaOf(Live{}, schemas)}}}
	}
	return jsonContent(schemaOf(answer, schemas))
}

func jsonContent(schema any) object { return object{"application/json": object{"schema": schema}} }

// schemaOf returns a reference to the schema of v's type, which it adds to schemas.
func schemaOf(v any, schemas object) any {
	t := reflect.TypeOf(v)
	switch {
	case t == nil:
		return object{"type": "object"}
	case t.Kind() == reflect.Slice:
		return object{"type": "array", "items": schemaOf(reflect.Zero(t.Elem()).Interface(), schemas)}
	}
	r := jsonschema.Reflector{
		DoNotReference: true, Anonymous: true, RequiredFromJSONSchemaTags: true, AllowAdditionalProperties: t == reflect.TypeFor[nothing](),
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			switch t {
			case reflect.TypeFor[duration]():
				return &jsonschema.Schema{Type: "string", Description: "a duration, as in 1m30s"}
			case reflect.TypeFor[history.Values]():
				return &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "number"}, {Type: "null"}}}}
			case reflect.TypeFor[*time.Time]():
				return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string", Format: "date-time"}, {Type: "null"}}}
			}
			return nil
		},
	}
	s := r.ReflectFromType(t)
	s.Version = ""
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	schemas[name] = s
	return object{"$ref": "#/components/schemas/" + name}
}

// routes serves the table.
func (s *Server) routes() http.Handler {
	m := http.NewServeMux()
	m.Handle("GET /metrics", s.metrics())
	web.Register(m)
	for _, r := range table() {
		m.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, q *http.Request) { r.handle(s, w, q) })
	}
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, fmt.Sprintf("there is no %s %s; docs/admin.md lists what there is", r.Method, r.URL.Path))
	})
	return m
}
