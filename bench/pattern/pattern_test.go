package pattern

import "testing"

// stream collects n bytes from offset on.
func stream(offset int64, n int) []byte {
	var b []byte
	for len(b) < n {
		b = append(b, At(offset+int64(len(b)), n-len(b))...)
	}
	return b
}

func TestMatches(t *testing.T) {
	good := stream(period-10, period+20)
	flipped := append([]byte(nil), good...)
	flipped[len(flipped)-1] ^= 1
	tests := []struct {
		name   string
		offset int64
		bytes  []byte
		want   bool
	}{
		{name: "nothing", want: true},
		{name: "across the ends of two periods", offset: period - 10, bytes: good, want: true},
		{name: "the same a period later", offset: 2*period - 10, bytes: good, want: true},
		{name: "one place further", offset: period - 9, bytes: good},
		{name: "the last bit flipped", offset: period - 10, bytes: flipped},
		{name: "a byte lost", offset: period - 10, bytes: append(good[:50:50], good[51:]...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Matches(tt.offset, tt.bytes); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}
