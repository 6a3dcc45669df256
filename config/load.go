package config

import (
	"fmt"
	"io"
	"os"
)

// MaxFileSize is the largest configuration that is read, in bytes: some ten thousand backends.
const MaxFileSize = 1 << 20

// Load reads and validates the configuration file at path. Mistakes in it are all returned together, as Errors;
// a file that cannot be read gives the wrapped error of the operating system.
func Load(path string) (*Config, error) {
	data, err := readFile(path, "configuration")
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// Parse validates the configuration in data; name stands for the file in errors, which are all returned together,
// as Errors. What the file leaves out has its default in the result, and what it says, zero included, is kept.
func Parse(name string, data []byte) (*Config, error) {
	r := newReport(name)
	root, targets := tree(data, r)
	if root == nil {
		return nil, r.err()
	}
	d := &decoder{report: r, targets: targets, marks: make(map[string]mark), budget: maxValues}
	cfg := d.config(root)
	cfg.complete(d.given)
	v := validator{report: r, cfg: cfg, marks: d.marks}
	v.validate()
	if err := r.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// readFile reads one byte more than allowed, which tells a file that is too large from one that just fits. what says in errors
// what the file is.
func readFile(path, what string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return data, nil
}
