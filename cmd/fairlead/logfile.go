package main

import (
	"context"
	"fmt"
	"os"
	"sync"

	"go.uber.org/zap"
)

// logFile is a file that the log goes to. Whoever rotates it moves it away and sends SIGUSR1.
type logFile struct {
	path string
	mu   sync.Mutex
	file *os.File
}

// openLog is for the log's own mode: others than its group have no business with who connects.
func openLog(path string) (*os.File, error) {
	const mode = 0o640
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, mode)
}

func newLogFile(path string) (*logFile, error) {
	f, err := openLog(path)
	if err != nil {
		return nil, fmt.Errorf("log file: %w", err)
	}
	return &logFile{path: path, file: f}, nil
}

// Write appends to the file that is open now.
func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Write(b)
}

// reopen goes on in the file of that name, a new one if it has been moved away. If that fails, the old one stays.
func (l *logFile) reopen() error {
	f, err := openLog(l.path)
	if err != nil {
		return fmt.Errorf("log file: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.file
	l.file = f
	return old.Close()
}

// reopenOnDemand reopens the file at each signal until ctx ends. There is none if the log goes to standard error.
func reopenOnDemand(ctx context.Context, demands <-chan os.Signal, file *logFile, log *zap.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-demands:
		}
		if file == nil {
			log.Warn("SIGUSR1: the log goes to standard error, so there is no file to open anew; see log.file")
			continue
		}
		if err := file.reopen(); err != nil {
			log.Error("SIGUSR1: the log goes on where it went", zap.Error(err))
			continue
		}
		log.Info("log file opened anew", zap.String("file", file.path))
	}
}
