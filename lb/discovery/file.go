package discovery

import (
	"context"

	"fairlead/tlsterm/filewatch"
)

// File returns a source that is a file, which parse reads. A file that cannot be read, or has a mistake, changes nothing.
// address is for the status.
func File(address, path string, parse func(path string) ([]Member, error)) *Source {
	return file(address, path, parse, filewatch.Default)
}

func file(address, path string, parse func(path string) ([]Member, error), settings filewatch.Settings) *Source {
	s := &Source{address: address}
	s.look = func(context.Context) answer {
		members, err := parse(path)
		return answer{members: members, err: err}
	}
	s.watch = func(ctx context.Context, look func()) {
		w := filewatch.Watch{
			Settings: settings, Paths: []string{path}, Look: look,
			Polling: func(error) {}, // it is looked at every few seconds then, which is soon enough
		}
		_ = w.Run(ctx) // the context's error
	}
	return s
}
