package main

import (
	"fmt"
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"fairlead/config"
)

// timeLayout is RFC 3339 with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// newLog makes the process's logger as the configuration describes it, and the handle of its level. journal says that w leads
// to systemd's.
func newLog(described config.Log, w io.Writer, journal bool) (*zap.Logger, zap.AtomicLevel, error) {
	level, err := zap.ParseAtomicLevel(described.Level)
	if err != nil {
		return nil, level, fmt.Errorf("log level: %w", err)
	}
	shape := zap.NewProductionEncoderConfig()
	shape.EncodeTime = zapcore.TimeEncoderOfLayout(timeLayout)
	shape.EncodeDuration = zapcore.StringDurationEncoder
	shape.TimeKey = "time"
	var encoder zapcore.Encoder
	switch described.Format {
	case "json":
		encoder = zapcore.NewJSONEncoder(shape)
	case "console":
		shape.EncodeLevel = zapcore.CapitalLevelEncoder
		shape.ConsoleSeparator = "  "
		encoder = zapcore.NewConsoleEncoder(shape)
	default:
		return nil, level, fmt.Errorf("log format %q: want json or console", described.Format)
	}
	if journal {
		encoder = journalEncoder{encoder}
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level)), level, nil
}
