// Package dashboard has the files of the web dashboard: HTML, CSS and modules of JavaScript as a browser takes them, with
// nothing to build. They have no data in them; a page asks the admin API for that. It imports nothing of ours.
package dashboard

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
)

//go:embed page
var embedded embed.FS

// Path is where the dashboard is.
const Path = "/dashboard/"

// policy lets a page load what is embedded, ask where it came from, and nothing else: no script or style within the page, no other
// host, no frame around it. Text can become neither script nor HTML by accident (trusted types).
// https://www.w3.org/TR/CSP3/
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// headers go with each file, whoever asks.
var headers = map[string]string{
	"Content-Security-Policy":      policy,
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY", // for browsers without frame-ancestors
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cache-Control":                "no-cache", // asked for again after each upgrade, by ETag
}

// file is one that is served.
type file struct {
	data      []byte
	kind, tag string
}

// Register has m serve the dashboard under Path, and lead there from "/".
func Register(m *http.ServeMux) {
	files := load()
	m.HandleFunc("GET "+Path+"{file...}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("file")
		if name == "" {
			name = "index.html"
		}
		f, ok := files[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		f.serve(w, r)
	})
	m.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, Path, http.StatusSeeOther)
	})
}

func load() map[string]file {
	page, err := fs.Sub(embedded, "page")
	if err != nil {
		panic(err) // the name is embedded
	}
	names, err := fs.Glob(page, "*")
	if err != nil {
		panic(err) // the pattern is good
	}
	out := make(map[string]file, len(names))
	for _, name := range names {
		data, err := fs.ReadFile(page, name)
		if err != nil {
			panic(err) // it is in memory
		}
		digest := sha256.Sum256(data)
		const enough = 12
		out[name] = file{data, kindOf(name), strconv.Quote(hex.EncodeToString(digest[:enough]))}
	}
	return out
}

// kindOf does not ask the machine's own tables, which may say something else.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".html":
		return "text/html; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(name))
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for name, value := range headers {
		h.Set(name, value)
	}
	h.Set("Content-Type", f.kind)
	h.Set("ETag", f.tag)
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(f.data) // a client that has gone needs no answer
}
