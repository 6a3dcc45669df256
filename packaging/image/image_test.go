package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestContainerfile(t *testing.T) {
	const text = `# comment
FROM scratch
ARG BINARY=bin/fairlead
ARG OTHER=other
COPY --chmod=0755 ${BINARY} /usr/bin/fairlead
COPY --chmod=0640 $OTHER /etc//other
USER 1:2
EXPOSE 80
STOPSIGNAL SIGTERM
ENV A=b c
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/a", "b"]
ENTRYPOINT ["/a"]
CMD ["b", "c"]
`
	r, err := parse(strings.NewReader(text), map[string]string{"BINARY": "given"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []copied{{"given", "/usr/bin/fairlead", 0o755}, {"other", "/etc/other", 0o640}}; !slices.Equal(r.copies, want) {
		t.Errorf("copies %+v", r.copies)
	}
	if r.user != "1:2" || r.ports[0] != "80/tcp" || r.stopSignal != "SIGTERM" || r.env[0] != "A=b c" || len(r.entrypoint) != 1 || len(r.command) != 2 {
		t.Errorf("%+v", r)
	}
	if h := r.health; h.Interval != 10*time.Second || h.Timeout != 3*time.Second || h.StartPeriod != 5*time.Second || h.Retries != 3 ||
		!slices.Equal(h.Test, []string{"CMD", "/a", "b"}) {
		t.Errorf("health check %+v", h)
	}
}

// TestContainerfileRefuses what an engine would understand and this program does not, with the line.
func TestContainerfileRefuses(t *testing.T) {
	for _, line := range []string{
		"FROM debian", "RUN true", "COPY a /b", "COPY --chmod=0755 a b", "COPY --chmod=rwx a /b", "WORKDIR /", "ENTRYPOINT /bin/sh",
		"CMD true", "HEALTHCHECK NONE", "HEALTHCHECK --interval=x CMD [\"a\"]", "HEALTHCHECK --start-interval=1s CMD [\"a\"]",
	} {
		if _, err := parse(strings.NewReader("FROM scratch\n"+line), nil); err == nil || !strings.HasPrefix(err.Error(), "line ") {
			t.Errorf("%s: error %v", line, err)
		}
	}
}

// TestArchiveIsTheSame each time, and another when a file is.
func TestArchiveIsTheSame(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	build := func(content string) string {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		r := &recipe{copies: []copied{{file, "/usr/bin/b", 0o755}, {file, "/etc/a", 0o644}}, ports: []string{"80/tcp"}}
		data, err := (&image{recipe: r, arch: "amd64", tag: tagOf("1~git+x"), at: time.Unix(1, 0).UTC()}).archive()
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	first := build("a")
	if build("a") != first || build("b") == first {
		t.Error("it does not follow from its files")
	}
	if !strings.Contains(first, `"fairlead:1-git-x"`) {
		t.Error("the tag is another")
	}
}
