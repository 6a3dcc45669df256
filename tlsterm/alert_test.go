package tlsterm

import "testing"

// TestHeard: a record is an alert in clear only if it is nothing else, in however many reads it comes.
func TestHeard(t *testing.T) {
	tests := []struct {
		name  string
		reads []string // a read that begins a record has a > before it
		want  alert
	}{
		{name: "whole", reads: []string{">\x15\x03\x03\x00\x02\x02\x30"}, want: unknownCA},
		{name: "in pieces", reads: []string{">\x15\x03\x03\x00\x02", "\x02", "\x30"}, want: unknownCA},
		{name: "behind another record", reads: []string{">\x14\x03\x03\x00\x01\x01", ">\x15\x03\x01\x00\x02\x02\x2a"}, want: badCertificate},
		{name: "half", reads: []string{">\x15\x03\x03\x00\x02\x02"}, want: noAlert},
		{name: "sealed", reads: []string{">\x15\x03\x03\x00\x1a", "0123456789abcdef0123456789"}, want: noAlert},
		{name: "longer", reads: []string{">\x15\x03\x03\x00\x03\x02\x30\x00"}, want: noAlert},
		{name: "of no level", reads: []string{">\x15\x03\x03\x00\x02\x07\x30"}, want: noAlert},
		{name: "another type", reads: []string{">\x17\x03\x03\x00\x02\x02\x30"}, want: noAlert},
		{name: "nothing", want: noAlert},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h heard
			for _, read := range tt.reads {
				first := read[0] == '>'
				if first {
					read = read[1:]
				}
				h.note([]byte(read), first)
			}
			if got := h.alert(); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
