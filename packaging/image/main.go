// Command image makes a container image of a Containerfile that begins from scratch, without an engine: an archive that is
// both an OCI image layout and what `docker load` and `podman load` read. The same files make the same bytes.
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(argv []string) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	file := flags.String("file", "Containerfile", "what the image is made of")
	arch := flags.String("arch", "amd64", "of the binaries in it")
	version := flags.String("version", "latest", "its tag")
	output := flags.String("o", "image.tar", "the archive to write")
	args := map[string]string{}
	flags.Func("arg", "NAME=VALUE, as --build-arg of engines", func(s string) error {
		name, value, ok := strings.Cut(s, "=")
		args[name] = value
		if !ok {
			return fmt.Errorf("want NAME=VALUE")
		}
		return nil
	})
	if err := flags.Parse(argv); err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH, the time that files have: %w", err)
	}
	f, err := os.Open(*file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	r, err := parse(f, args)
	if err != nil {
		return fmt.Errorf("%s: %w", *file, err)
	}
	data, err := (&image{recipe: r, arch: *arch, tag: tagOf(*version), at: time.Unix(seconds, 0).UTC()}).archive()
	if err != nil {
		return err
	}
	return os.WriteFile(*output, data, 0o644) //nolint:gosec // for everybody
}

// tagOf makes a tag of a version: letters, digits, "_", "." and "-"
// (https://github.com/opencontainers/distribution-spec/blob/main/spec.md).
func tagOf(version string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '.', r == '-', r == '_':
			return r
		}
		return '-'
	}, version)
}
