package main

import (
	"fmt"
	"io"
	"os"
	"syscall"

	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// isJournal reports whether a writer is systemd's journal: its device and inode are those of JOURNAL_STREAM (systemd.exec(5)).
func isJournal(w io.Writer, stream string) bool {
	f, ok := w.(*os.File)
	if !ok || stream == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && fmt.Sprintf("%d:%d", st.Dev, st.Ino) == stream
}

// journalEncoder puts the priority in front of each line, as the journal reads it (sd-daemon(3)).
type journalEncoder struct{ zapcore.Encoder }

var journalBuffers = buffer.NewPool()

// Clone is for loggers with fields of their own.
func (e journalEncoder) Clone() zapcore.Encoder { return journalEncoder{e.Encoder.Clone()} }

// EncodeEntry encodes a line.
func (e journalEncoder) EncodeEntry(entry zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	line, err := e.Encoder.EncodeEntry(entry, fields)
	if err != nil {
		return nil, err
	}
	defer line.Free()
	out := journalBuffers.Get()
	out.AppendString(priority(entry.Level))
	_, err = out.Write(line.Bytes())
	return out, err
}

func priority(l zapcore.Level) string {
	switch {
	case l >= zapcore.ErrorLevel:
		return "<3>"
	case l == zapcore.WarnLevel:
		return "<4>"
	case l == zapcore.InfoLevel:
		return "<6>"
	}
	return "<7>"
}
